"""Numbers for pictures and heads, each from its field's own model where that is at hand.

A metric that cannot run says why once (`Unavailable`) and is left out of the tables by that sentence, never replaced by another.
"""

from .files import Unavailable
from .pairs import PairMetrics, load_pair_metrics

__all__ = ["PairMetrics", "Unavailable", "load_pair_metrics"]
