"""The classes of diffusers that we use, without what its packages bring along: transformers, SciPy, torch's compiler, every other model.

Import them from here: that takes a third of the time. How: while the few modules that define them are imported for the first time, packages
that would import all of their models are empty, and optional packages seem to be missing. Afterwards everything is as it was: all of
diffusers can be imported before or later, and has the same classes. Where another version of diffusers does not bear it, it is imported
the ordinary way, slower and with the same result; `tests/test_bench.py` fails then, so that it is noticed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

Marked = TypeVar("Marked", bound=Callable)
SOUGHT = (  # what is imported below
    "diffusers.models.attention", "diffusers.models.attention_processor", "diffusers.models.unets.unet_2d",
    "diffusers.models.unets.unet_2d_condition", "diffusers.schedulers.scheduling_ddim",
)  # fmt: skip
FAMILIES = ("autoencoders", "transformers", "unets")  # packages in diffusers.models; each imports all of its models
FORGOTTEN = (  # what was imported as if packages were missing: who asks for it later gets it whole
    "diffusers.hooks", "diffusers.loaders", "diffusers.quantizers", "diffusers.schedulers.scheduling_dpmsolver_multistep",
    "diffusers.schedulers.scheduling_euler_discrete", "diffusers.schedulers.scheduling_heun_discrete",
)  # fmt: skip


def _unmarked(function: Marked | None = None, *_, **__):
    """What torch's compiler would be told of a function or class, left unsaid."""
    return (lambda later: later) if function is None else function


@contextmanager
def _alone() -> Iterator[None]:
    """Within, diffusers imports nothing but what is asked for."""
    spec = find_spec("diffusers")
    assert spec is not None and spec.submodule_search_locations is not None
    stand_ins: dict[str, ModuleType] = {}
    for family in FAMILIES:
        package = stand_ins[f"diffusers.models.{family}"] = ModuleType(f"diffusers.models.{family}")
        package.__path__ = [str(Path(spec.submodule_search_locations[0], "models", family))]
    if "torch._dynamo" not in sys.modules:
        compiler = stand_ins["torch._dynamo"] = ModuleType("torch._dynamo")
        vars(compiler).update(allow_in_graph=_unmarked, disable=_unmarked)
    sys.modules.update(stand_ins)
    settings: dict[str, object] = {}
    before: dict[str, object] = {}
    try:
        settings = vars(import_module("diffusers.utils.import_utils"))  # looks for transformers, before that is nowhere to be found
        if "transformers" not in sys.modules:
            sys.modules["transformers"] = stand_ins["transformers"] = ModuleType("transformers")
        before = {name: settings[name] for name in ("_transformers_available", "_scipy_available")}
        settings.update(dict.fromkeys(before, False))
        yield
    finally:
        settings.update(before)
        _forget(tuple(stand_ins), FORGOTTEN)


def _forget(names: tuple[str, ...], beginnings: tuple[str, ...] = ()) -> None:
    for name in [name for name in sys.modules if name in names or name.startswith(beginnings)]:
        del sys.modules[name]


if "diffusers" not in sys.modules:  # others had it before
    try:
        with _alone():
            for _module in SOUGHT:
                import_module(_module)
    except (ImportError, AttributeError, KeyError):  # another version: its parts lean on each other otherwise
        _forget(("diffusers",), ("diffusers.",))

from diffusers.models.attention import BasicTransformerBlock  # noqa: E402
from diffusers.models.attention_processor import AttnProcessor2_0  # noqa: E402
from diffusers.models.unets.unet_2d import UNet2DModel  # noqa: E402
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: E402
from diffusers.schedulers.scheduling_ddim import DDIMScheduler  # noqa: E402

__all__ = ["AttnProcessor2_0", "BasicTransformerBlock", "DDIMScheduler", "UNet2DConditionModel", "UNet2DModel"]
