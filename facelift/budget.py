"""What is more than may be read or drawn: refused before memory is taken for it."""

from __future__ import annotations


class BudgetError(ValueError):
    """Too much to read or to draw; one sentence for the user, with what was asked and what is the most."""
