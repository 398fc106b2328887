"""Clothes and accessories. `dress` puts a drawn look on a body."""

from __future__ import annotations

from .appearance import WearLook, draw_wear_look
from .outfit import Outfit, dress

__all__ = ["Outfit", "WearLook", "draw_wear_look", "dress"]
