"""Clothes and accessories. `dress` puts what was drawn on a body."""

from __future__ import annotations

from .appearance import ClothingAppearance, draw_clothing_appearance
from .outfit import Outfit, dress

__all__ = ["Outfit", "ClothingAppearance", "draw_clothing_appearance", "dress"]
