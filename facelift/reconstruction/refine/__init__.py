"""What acts on the Gaussians of a reconstructor, by geometry alone."""
