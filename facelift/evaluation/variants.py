"""A weight set with some of its switches set otherwise: compact:detail=false,front_depth=false, or released:reconstructor=lgm.

Switches of inference only. What changes training (number of views, attention, input view, lighting) is another weight set: its folder
stands in the same list, and one command makes the table of all of them.
"""

from __future__ import annotations

import dataclasses
import json

from ..pipeline import FaceLiftPipeline
from ..reconstruction.lgm import load_lgm

PIPELINE_SWITCHES = ("front_priority", "front_depth", "agreement", "detail")
VIEW_SWITCHES = ("steps", "guidance_scale", "keep_portrait")


def load_variant(text: str, device: str | None = None) -> FaceLiftPipeline:
    """text: a weight set as `FaceLiftPipeline.from_pretrained` takes it, then maybe ":" and switches, "none" switching one off.

    Raises WeightsError, and ValueError for a switch that is none.
    """
    name, settings = split_variant(text)
    pipe = FaceLiftPipeline.from_pretrained(name, device=device)
    if settings.pop("reconstructor", None):  # the papers' "Our MV + LGM", without what belongs to the compact reconstructor
        pipe.reconstructor = load_lgm(pipe.device)
        pipe.front_priority, pipe.front_depth, pipe.agreement, pipe.detail = None, False, False, False
    for key, value in settings.items():
        if key in PIPELINE_SWITCHES:
            setattr(pipe, key, value)
        else:
            pipe.views.config = dataclasses.replace(pipe.views.config, **{key: value})
    return pipe


def split_variant(text: str) -> tuple[str, dict]:
    """ "compact:detail=false" -> "compact", {"detail": False}. Raises ValueError."""
    name, _, rest = text.rpartition(":") if "=" in text.rpartition(":")[2] else (text, "", "")
    settings = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key == "reconstructor":
            if value != "lgm":
                raise ValueError(f"{value!r} in {text!r} is no value: the other reconstructor is lgm")
            settings[key] = value
            continue
        if key not in (*PIPELINE_SWITCHES, *VIEW_SWITCHES):
            raise ValueError(f"{key!r} in {text!r} is no switch: use reconstructor, {', '.join((*PIPELINE_SWITCHES, *VIEW_SWITCHES))}")
        try:
            settings[key] = None if value == "none" else json.loads(value.lower())
        except json.JSONDecodeError as error:
            raise ValueError(f"{value!r} in {text!r} is no value: use a number, true, false or none") from error
        if key == "front_priority" and settings[key] is not None:
            raise ValueError(f"front_priority in {text!r} can only be none; its rule is part of the weight set")
    return name, settings
