"""The whole system: photo -> portrait -> views -> Gaussians (paper, figure 3)."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .cameras import ViewRig, view_rig
from .devices import Laps, resolve_device
from .errors import SettingsError, WeightsError
from .gaussians import RELEASE_APP, FilterPreset
from .head import Head
from .multiview.lens import drawn_anew, is_other_lens
from .multiview.pipeline import DenoisingStep, GeneratedViews, MultiViewPipeline
from .person import OtherPhoto, add_photos
from .portrait import Portrait, make_portrait
from .reconstruction.protocol import Context, Reconstruction, Reconstructor, Refinement
from .rendering import to_bytes
from .resources import installed_version
from .weights.find import WeightSet, resolve

REPORTED_VERSIONS = ("torch", "diffusers", "transformers", "mediapipe", "rembg", "gsplat", "numpy", "numba")


@dataclass(frozen=True)
class Step:
    """Progress of the slow stage. index counts from 1 to total. `preview()` decodes the current estimate, uint8 (V, H, W, 3)."""

    stage: str
    index: int
    total: int
    preview: Callable[[], np.ndarray]


class FaceLiftPipeline:
    """`from_pretrained` builds one; calling it makes a `Head` of a photo."""

    def __init__(
        self,
        multiview: MultiViewPipeline,
        reconstructor: Reconstructor,
        weights: WeightSet,
        refinements: tuple[Refinement, ...] = (),
        filters: FilterPreset = RELEASE_APP,
        finish: tuple[Refinement, ...] = (),
    ):
        """multiview, reconstructor: the two models, on one device.
        weights: where they came from, for the report.
        refinements: what acts on the reconstructor's Gaussians, in this order.
        filters: which Gaussians the head keeps.
        finish: what is done to a head that is handed over, and not where the reconstruction itself is measured.
        Raises WeightsError for views that are not the rig's.
        """
        config = multiview.config
        if config.num_views != len(view_rig(config.rig)):
            raise WeightsError(f"The weights in {weights.folder} make {config.num_views} views, not as many as the rig {config.rig} has.")
        self.multiview, self.reconstructor, self.weights = multiview, reconstructor, weights
        self.refinements, self.filters, self.finish = refinements, filters, finish

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "auto",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        offload: bool = False,
    ) -> FaceLiftPipeline:
        """name: "auto", "compact", "released", a folder or a Hub repo id.
        device: None or "auto" is the first CUDA GPU, else the CPU.
        dtype: default fp16 for released weights on CUDA, else fp32.
        offload: of released weights, each network is on the device only while it works: for cards of 6 to 8 GB.
        Raises WeightsError, ValueError for a device that is not there, SettingsError for small weights that are to be offloaded.
        """
        from .assembly import assemble  # loads every model class there is

        device = resolve_device(device)
        return cls(**assemble(resolve(name, device), device, dtype, offload))

    @property
    def device(self) -> torch.device:
        return self.multiview.device

    @property
    def dtype(self) -> torch.dtype:
        return self.multiview.dtype

    @property
    def rig(self) -> ViewRig:
        return view_rig(self.multiview.config.rig)

    @property
    def default_steps(self) -> int:
        return self.multiview.config.steps

    @property
    def default_guidance_scale(self) -> float:
        return self.multiview.config.guidance_scale

    def __call__(
        self,
        photo: str | Path | bytes | Image.Image | Portrait,
        seed: int = 4,
        steps: int | None = None,
        guidance_scale: float | None = None,
        crop: bool = True,
        on_step: Callable[[Step], None] | None = None,
        face_index: int = 0,
        matting: str = "auto",
        fov: float | str = "auto",
        preset: str = "exact",
        others: Sequence[OtherPhoto] = (),
    ) -> Head:
        """One photo -> one head.

        photo: as of `portrait.load_photo`, or a portrait made before.
        seed: of the noise; the same on every device.
        steps, guidance_scale: of the view generator; None is the preset's own, or else the weight set's.
        crop: False keeps the photo's framing.
        on_step: called after every denoising step; what it raises ends the call.
        face_index, matting, fov: as for `portrait.make_portrait`.
        preset: "exact", or for released weights "fast": fewer and cheaper steps, and views that differ from those of exact.
        others: more photos of the person, which take the place of views that would be made up.
        Raises PhotoError for a photo that cannot be used, SettingsError for impossible guidance or preset, ValueError for impossible steps.
        """
        if guidance_scale is not None and not math.isfinite(guidance_scale):
            raise SettingsError(f"The guidance scale must be a finite number, not {guidance_scale}.")
        steps = self.multiview.steps_of(preset) if steps is None else steps
        laps = Laps(self.device)
        with laps("portrait"):
            portrait = photo if isinstance(photo, Portrait) else self.make_portrait(photo, crop, face_index, matting, fov)
            portrait = self.from_the_front(self.through_our_lens(portrait))
        with laps("views"):
            generated = self.make_views(portrait, seed, steps, guidance_scale, on_step, preset)
            if others:
                rough = self.reconstruct(generated.views).filtered(self.filters)
                views, notes = add_photos(generated.views, rough, self.rig, others, matting)
                generated = GeneratedViews(views, generated.portrait_depth)
                portrait = replace(portrait, advice=(*notes, *portrait.advice))
        with laps("gaussians"):
            reconstruction = self.refine(self.reconstruct(generated.views), self.context(generated, portrait), finish=True)
            gaussians = reconstruction.filtered(self.filters)
        if not len(gaussians):
            raise SettingsError("These settings leave nothing of the head: take the defaults for steps and guidance.")
        settings = {
            "seed": seed,
            "preset": preset,
            "steps": steps,
            "guidance_scale": self.default_guidance_scale if guidance_scale is None else guidance_scale,
        }
        report = self.report(portrait, settings, len(gaussians), laps.seconds)
        cameras = self.rig.cameras(generated.views.shape[-1]).to(self.device)
        return Head(portrait.image, to_bytes(generated.views), cameras, gaussians, report, self.rig.names)

    def make_portrait(self, photo, crop: bool = True, face_index: int = 0, matting: str = "auto", fov: float | str = "auto") -> Portrait:
        """As `portrait.make_portrait`; of a head that is turned, as the view generator can take it."""
        return make_portrait(photo, crop, face_index, matting, fov, follow_turn=self.multiview.finds_depth)

    def through_our_lens(self, portrait: Portrait) -> Portrait:
        """As the models' camera, half a metre away, would have taken it, where its lens and its depth are known."""
        if portrait.focal is None or not is_other_lens(portrait.focal):
            return portrait
        drawn = self.multiview.through_our_lens(portrait.rgba, portrait.focal)
        if drawn is None:
            return portrait
        advice = (*portrait.advice, drawn_anew(portrait.focal))
        return replace(portrait, image=drawn.convert("RGB"), alpha=drawn.getchannel("A"), advice=advice, focal=None)

    def from_the_front(self, portrait: Portrait) -> Portrait:
        """As a camera before the head's front would have taken it, where the crop followed a turned one."""
        drawn = self.multiview.from_the_front(portrait.rgba, portrait.pose) if portrait.from_side and portrait.pose else None
        if drawn is None:
            return portrait
        return replace(portrait, image=drawn.convert("RGB"), alpha=drawn.getchannel("A"), pose=None, from_side=False)

    def make_views(
        self,
        portrait: Portrait,
        seed: int = 4,
        steps: int | None = None,
        guidance_scale: float | None = None,
        on_step: Callable[[Step], None] | None = None,
        preset: str = "exact",
    ) -> GeneratedViews:
        """The views of the rig, and the portrait's depth where the view generator finds it. Parameters as of a call."""

        def tell(step: DenoisingStep) -> None:
            if on_step is not None:
                on_step(Step("views", step.index, step.total, step.preview))

        return self.multiview(portrait.rgba, seed, steps, guidance_scale, tell, preset)

    @torch.inference_mode()
    def reconstruct(self, views: Tensor) -> Reconstruction:
        """views: Shape (V, 3 or 4, S, S), 0..1. The released system rounds them to bytes before the reconstructor; so do we."""
        cameras = self.rig.cameras(views.shape[-1]).to(self.device)
        rounded = (views * 255).round() / 255
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.reconstructor.reconstruct(rounded.float(), cameras)

    def context(self, generated: GeneratedViews, portrait: Portrait) -> Context:
        """What refinements may look at."""
        picture = torch.from_numpy(np.array(portrait.rgba)).to(self.device).permute(2, 0, 1).float() / 255
        cameras = self.rig.cameras(generated.views.shape[-1]).to(self.device)
        return Context(generated.views, cameras, picture, generated.portrait_depth)

    @torch.inference_mode()
    def refine(self, reconstruction: Reconstruction, context: Context, finish: bool = False) -> Reconstruction:
        """All refinements of the weight set, in their order. finish: and what is done to a head that is handed over."""
        for refinement in (*self.refinements, *(self.finish if finish else ())):
            reconstruction = refinement(reconstruction, context)
        return reconstruction

    def report(self, portrait: Portrait, settings: dict, gaussians: int, seconds: dict[str, float]) -> dict:
        """What ran, for report.json. seconds: by stage."""
        return {
            "weights": self.weights.name,
            "weights_note": self.weights.note,
            "licence": self.weights.licence,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            **settings,
            "gaussians": gaussians,
            "filter": asdict(self.filters),
            "face": portrait.face_report(),
            "faces": len(portrait.faces),
            "matting": portrait.matting,
            "advice": list(portrait.advice),
            "seconds": {**seconds, "total": sum(seconds.values())},
            "versions": {"python": platform.python_version(), **{name: installed_version(name) for name in REPORTED_VERSIONS}},
        }
