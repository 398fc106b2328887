"""Posed views -> Gaussians: the reconstructors, and what refines their Gaussians afterwards."""
