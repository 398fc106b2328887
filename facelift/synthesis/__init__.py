"""Synthetic heads: endless, licence-clean people for training, tests and evaluation. `python -m facelift.synthesis --help`."""
