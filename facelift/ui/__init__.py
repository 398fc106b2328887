"""The web page: `build_app(pipeline)` makes it, `launch(app)` serves it."""

from .page import build_app, launch

__all__ = ["build_app", "launch"]
