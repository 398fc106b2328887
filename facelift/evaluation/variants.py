"""A weight set with some of its parts otherwise: compact:fuse_depths=off,steps=4, or released:reconstructor=lgm.

What inference alone decides. What changes training (number of views, attention, input view, lighting) is another weight set: its folder
stands in the same list, and one command makes the table of all of them.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ..pipeline import FaceLiftPipeline
from ..reconstruction.lgm import load_lgm
from ..reconstruction.refine import REFINEMENTS

VIEW_SWITCHES = ("steps", "guidance_scale", "keep_portrait")


def load_variant(text: str, device: str | None = None) -> FaceLiftPipeline:
    """text: a weight set as `FaceLiftPipeline.from_pretrained` takes it, then maybe ":" and what is to be otherwise.

    Raises WeightsError, and ValueError for a word that names nothing.
    """
    name, settings = split_variant(text)
    pipe = FaceLiftPipeline.from_pretrained(name, device=device)
    if settings.pop("reconstructor", None):  # the papers' "Our MV + LGM", without what belongs to the compact reconstructor
        pipe.reconstructor, pipe.refinements = load_lgm(pipe.device), ()
    pipe.refinements = tuple(r for r in pipe.refinements if r.name not in settings)
    views = {key: value for key, value in settings.items() if key in VIEW_SWITCHES}
    pipe.multiview.config = dataclasses.replace(pipe.multiview.config, **views)
    return pipe


def split_variant(text: str) -> tuple[str, dict[str, Any]]:
    """ "compact:fuse_depths=off" -> "compact", {"fuse_depths": False}. Raises ValueError."""
    name, _, rest = text.rpartition(":") if "=" in text.rpartition(":")[2] else (text, "", "")
    settings: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key == "reconstructor":
            if value != "lgm":
                raise ValueError(f"{value!r} in {text!r} is no value: the other reconstructor is lgm")
            settings[key] = value
        elif key in REFINEMENTS:
            if value != "off":
                raise ValueError(f"{key} in {text!r} can only be off; its parameters are part of the weight set")
            settings[key] = False
        elif key in VIEW_SWITCHES:
            try:
                settings[key] = json.loads(value.lower())
            except json.JSONDecodeError as error:
                raise ValueError(f"{value!r} in {text!r} is no value: use a number, true or false") from error
        else:
            raise ValueError(f"{key!r} in {text!r} is no switch: use reconstructor, {', '.join((*REFINEMENTS, *VIEW_SWITCHES))}")
    return name, settings
