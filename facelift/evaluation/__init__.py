"""Measures weight sets. Used by nothing below it."""
