"""Training of the full-size models: they start from, and end as, a weight folder of the released layout."""
