"""Draws a Scene with OpenGL: light is baked once per head at vertices and strand points, then views only rasterise."""

from .context import NoContextError
from .draw import Renderer

__all__ = ["NoContextError", "Renderer"]
