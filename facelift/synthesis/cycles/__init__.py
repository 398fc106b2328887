"""Draws a Scene by path tracing: Blender's Cycles as a Python module. Slower than facelift.synthesis.renderer, closer to photos.

Needs the package bpy (requirements-cycles.txt); a graphics card is used by neither.
"""

from .draw import CyclesRenderer, NoBlenderError

__all__ = ["CyclesRenderer", "NoBlenderError"]
