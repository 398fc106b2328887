"""Measures weight sets on benchmarks, by one command (see `__main__`). Used by nothing below it."""
