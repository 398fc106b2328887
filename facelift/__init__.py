"""FaceLift: one portrait photo -> six views -> a 3D head made of Gaussians.

from facelift import FaceLiftPipeline
pipe = FaceLiftPipeline.from_pretrained("auto")
head = pipe("me.jpg")
head.gaussians.save("me.ply")
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Cameras", "FaceLiftPipeline", "Gaussians", "Head"]

_HOMES = {"Cameras": "cameras", "FaceLiftPipeline": "pipeline", "Gaussians": "gaussians", "Head": "head"}


def __getattr__(name: str):
    """Public names are imported when first used, so that `import facelift` stays instant."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
