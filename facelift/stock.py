"""The classes of diffusers that we use, without what its packages bring along: transformers, SciPy, torch's compiler, every other model.

Import them from here: that takes a third of the time. All of diffusers can be imported before or afterwards, and has the same classes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

Marked = TypeVar("Marked", bound=Callable)
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
    if "diffusers" in sys.modules:  # others had it before
        yield
        return
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
    from diffusers.utils import import_utils

    if "transformers" not in sys.modules:  # no package: what is sought in it is not there
        sys.modules["transformers"] = stand_ins["transformers"] = ModuleType("transformers")
    missing = {"_transformers_available": False, "_scipy_available": False}
    before = {name: getattr(import_utils, name) for name in missing}
    vars(import_utils).update(missing)
    try:
        yield
    finally:
        vars(import_utils).update(before)
        for name in [*stand_ins, *(m for m in sys.modules if m.startswith(FORGOTTEN))]:
            del sys.modules[name]


with _alone():
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.attention_processor import AttnProcessor2_0
    from diffusers.models.unets.unet_2d import UNet2DModel
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

__all__ = ["AttnProcessor2_0", "BasicTransformerBlock", "DDIMScheduler", "UNet2DConditionModel", "UNet2DModel"]
