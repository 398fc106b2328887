"""Clips: their frames one by one, and what the face in them does."""
