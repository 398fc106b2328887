"""The whole system: photo -> portrait -> six views -> Gaussians."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .cameras import VIEW_NAMES, Cameras, ViewRig, view_rig
from .gaussians import RELEASE_APP, FilterPreset, Gaussians, concatenate
from .multiview.loading import load_compact, load_released
from .multiview.pipeline import DenoisingStep, MultiViewPipeline, to_bytes
from .portrait import Portrait, make_portrait
from .reconstruction.gslrm import GSLRM, GSLRMConfig, PixelGaussians, config_from_state, flatten_gaussians
from .reconstruction.lgm import LGM, LGMConfig
from .reconstruction.refine.fusion import agree_on_places, agree_on_tones
from .reconstruction.refine.visibility import FrontPriority, apply_front_priority, place_front, split_front
from .reconstruction.unet import UNetReconstructor, UNetReconstructorConfig
from .rendering import render
from .weights.find import WeightsError, WeightSet, gslrm_state_dict, prompt_embeddings, resolve
from .weights.released import PIPELINE, rig_of
from .weights.tensors import read_tensors

REPORTED_VERSIONS = ("torch", "diffusers", "transformers", "mediapipe", "rembg", "gsplat", "numpy", "numba")

RECONSTRUCTORS = {"unet": (UNetReconstructor, UNetReconstructorConfig), "gslrm": (GSLRM, GSLRMConfig), "lgm": (LGM, LGMConfig)}


@dataclass(frozen=True)
class Step:
    """Progress of the slow stage. index counts from 1 to total. `preview()` decodes the current estimate, uint8 (V, H, W, 3)."""

    stage: str
    index: int
    total: int
    preview: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Head:
    """What one photo becomes. views: uint8 (V, H, W, 3) of `cameras`, called `names`. gaussians: filtered."""

    portrait: Image.Image
    views: np.ndarray
    cameras: Cameras
    gaussians: Gaussians
    report: dict
    names: tuple[str, ...] = VIEW_NAMES

    def save(
        self,
        folder: str | Path,
        formats: tuple[str, ...] = ("ply",),
        turntable: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict:
        """Writes portrait, views, renders, splat files, turntable and report.json. Returns the report as written."""
        folder = Path(folder)
        seconds = {k: v for k, v in self.report["seconds"].items() if k != "total"}
        start = time.perf_counter()
        for name in ("views", "renders"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.portrait.save(folder / "portrait.png")
        renders = to_bytes(render(self.gaussians, self.cameras).rgb.detach())
        for i, name in enumerate(self.names):
            Image.fromarray(self.views[i]).save(folder / "views" / f"{i}_{name}.png")
            Image.fromarray(renders[i]).save(folder / "renders" / f"{i}_{name}.png")
        for suffix in formats:
            self.gaussians.save(folder / f"head.{suffix}")
        seconds["files"] = time.perf_counter() - start
        start = time.perf_counter()
        if turntable:
            self.save_turntable(folder / "turntable.mp4", progress)
        seconds["turntable"] = time.perf_counter() - start if turntable else 0.0
        seconds["total"] = sum(seconds.values())
        report = {**self.report, "seconds": {k: round(v, 3) for k, v in seconds.items()}}
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        return report

    def save_turntable(self, path: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
        """30 frames a second; 180 frames of 512 px on CUDA, 60 of 256 px on a CPU."""
        from .rendering.turntable import save_turntable

        on_gpu = self.gaussians.means.is_cuda
        save_turntable(self.gaussians, path, 180 if on_gpu else 60, 512 if on_gpu else 256, progress=progress)
        return Path(path)


class FaceLiftPipeline:
    def __init__(
        self,
        views: MultiViewPipeline,
        reconstructor: GSLRM | UNetReconstructor | LGM,
        weights: WeightSet,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        front_priority: FrontPriority | None = None,
        front_depth: bool = False,
        agreement: bool = False,
        detail: bool = False,
        filters: FilterPreset = RELEASE_APP,
    ):
        """Switches of the compact weights, off for the released ones: `front_priority`; front_depth, whether the front view's Gaussians
        stand where the portrait's own depth says (`place_front`); agreement, whether the views settle on common places and tones
        (`agree_on_places`, `agree_on_tones`); detail, whether the front's take the portrait's full resolution (`split_front`).
        Raises WeightsError for a view generator that does not make the views of its rig.
        """
        if views.config.num_views != len(view_rig(views.config.rig)):
            raise WeightsError(
                f"The weights in {weights.folder} make {views.config.num_views} views, and the rig {views.config.rig} has another number."
            )
        self.views, self.reconstructor, self.weights, self.device, self.dtype = views, reconstructor, weights, device, dtype
        self.front_priority, self.front_depth, self.agreement, self.detail = front_priority, front_depth, agreement, detail
        self.filters = filters

    @property
    def rig(self) -> ViewRig:
        return view_rig(self.views.config.rig)

    @property
    def default_steps(self) -> int:
        return self.views.config.steps

    @property
    def default_guidance_scale(self) -> float:
        return self.views.config.guidance_scale

    @classmethod
    def from_pretrained(cls, name: str | Path = "auto", device: str | None = None, dtype: torch.dtype | None = None) -> FaceLiftPipeline:
        """name: "auto", "compact", "released", a folder or a Hub repo id. dtype: default fp16 for released weights on CUDA, else fp32.

        Raises WeightsError.
        """
        device = resolve_device(device)
        weights = resolve(name, device)
        if weights.kind == "released":
            dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
            return cls._from_released(weights, device, dtype)
        return cls._from_compact(weights, device, dtype or torch.float32)

    @classmethod
    def _from_released(cls, weights: WeightSet, device: torch.device, dtype: torch.dtype) -> FaceLiftPipeline:
        rig, prompts = rig_of(weights.folder), prompt_embeddings(weights.folder)
        views = load_released(weights.folder / PIPELINE, prompts, device, dtype, rig)
        state = gslrm_state_dict(weights.folder)
        settings = weights.folder / "gslrm" / "config.json"  # only fine-tunes with another head width need one
        head_width = json.loads(settings.read_text())["head_width"] if settings.is_file() else 64
        config = config_from_state(state, views.config.image_size, head_width)
        return cls(views, _assign(GSLRM, config, state, device), weights, device, dtype)

    @classmethod
    def _from_compact(cls, weights: WeightSet, device: torch.device, dtype: torch.dtype) -> FaceLiftPipeline:
        try:
            settings = json.loads((weights.folder / "config.json").read_text())
            made = {**settings["multiview"], "rig": settings.get("rig", "six")}
            views = load_compact(weights.folder / "multiview", made, device, dtype)
            kind = settings["reconstructor"]["type"]
            model, config = RECONSTRUCTORS[kind]
            config = config(**{k: v for k, v in settings["reconstructor"].items() if k != "type"})
            state = read_tensors(weights.folder / "reconstructor" / "model.safetensors")
            rule = settings.get("front_priority")
            return cls(
                views, _assign(model, config, state, device), weights, device, dtype,
                FrontPriority(**rule) if rule is not None else None, settings.get("front_depth", False),
                settings.get("agreement", False), settings.get("detail", False), FilterPreset(**settings.get("filters", {})),
            )  # fmt: skip
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"The weight set in {weights.folder} is incomplete or not understood: {error}") from error

    def make_portrait(self, photo, crop: bool = True, face_index: int = 0) -> Portrait:
        return make_portrait(photo, crop=crop, face_index=face_index)

    def __call__(
        self,
        photo: str | Path | bytes | Image.Image | Portrait,
        seed: int = 4,
        steps: int | None = None,
        guidance_scale: float | None = None,
        crop: bool = True,
        on_step: Callable[[Step], None] | None = None,
    ) -> Head:
        """One photo (or a portrait made before) -> one head. None means the weight set's own default.

        on_step is called after every denoising step; what it raises ends the call. Raises PhotoError for a photo that cannot be used.
        """
        seconds, clock = {}, time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal clock
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            seconds[stage], clock = time.perf_counter() - clock, time.perf_counter()

        portrait = photo if isinstance(photo, Portrait) else self.make_portrait(photo, crop)
        lap("portrait")
        views = self.make_views(portrait, seed, steps, guidance_scale, on_step)
        lap("views")
        cameras = self.rig.cameras(views.shape[-1]).to(self.device)
        gaussians = self.make_gaussians(views, cameras, portrait, self.front_surface(portrait))
        lap("gaussians")
        report = {
            "weights": self.weights.name,
            "weights_note": self.weights.note,
            "licence": self.weights.licence,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "seed": seed,
            "steps": self.default_steps if steps is None else steps,
            "guidance_scale": self.default_guidance_scale if guidance_scale is None else guidance_scale,
            "gaussians": len(gaussians),
            "filter": asdict(self.filters),
            "face": face_report(portrait),
            "matting": portrait.matting,
            "seconds": {**seconds, "total": sum(seconds.values())},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in REPORTED_VERSIONS}},
        }
        return Head(portrait.image, to_bytes(views), cameras, gaussians, report, self.rig.names)

    def make_views(self, portrait: Portrait, seed: int, steps: int | None, guidance_scale: float | None, on_step=None) -> Tensor:
        """The views of the rig, Shape (V, 3 or 4, S, S), 0..1."""

        def forward(step: DenoisingStep) -> None:
            on_step(Step("views", step.index, step.total, step.preview))

        return self.views(self._picture(portrait), seed, steps, guidance_scale, forward if on_step else None)

    def front_surface(self, portrait: Portrait) -> Tensor | None:
        """Where the portrait's own depth puts its pixels, Shape (S, S); None where the switch is off or the weights know no depth."""
        return self.views.surface(self._picture(portrait)) if self.front_depth else None

    def _picture(self, portrait: Portrait) -> Image.Image:
        """The portrait in the bands that the view generator takes."""
        if self.views.codec.channels == 3:
            return portrait.image
        picture = portrait.image.copy()
        picture.putalpha(portrait.alpha)
        return picture

    @torch.inference_mode()
    def reconstruct(self, views: Tensor, cameras: Cameras) -> tuple[Gaussians, PixelGaussians]:
        """views: Shape (V, 3 or 4, S, S). The released system rounds them to bytes before the reconstructor; so do we.

        Returns the free Gaussians and those of the pixels.
        """
        views = (views * 255).round() / 255
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            free, pixel = self.reconstructor.reconstruct(views[None].float(), cameras)
        return free, agree_on_places(pixel, cameras) if self.agreement else pixel

    @torch.inference_mode()
    def make_gaussians(self, views: Tensor, cameras: Cameras, portrait: Portrait, surface: Tensor | None = None) -> Gaussians:
        """views: Shape (V, 3 or 4, S, S). surface: of the front view, as of `front_surface`; None: where the reconstructor puts it.

        Returns the head, filtered.
        """
        free, pixel = self.reconstruct(views, cameras)
        if surface is not None:
            pixel = place_front(pixel, cameras, surface)
        if self.agreement:
            pixel = agree_on_tones(pixel, cameras)
        if self.front_priority is not None:
            pixel = apply_front_priority(pixel, cameras, self.front_priority)
        parts = [free]
        if self.detail:
            full = np.dstack([np.array(portrait.image), np.array(portrait.alpha)])
            full = torch.from_numpy(full).to(self.device).permute(2, 0, 1).float() / 255
            pixel, front = split_front(pixel, full, views[0].float(), cameras, self.reconstructor.config.patch_size)
            parts.append(front)
        parts.append(flatten_gaussians(pixel, self.reconstructor.config.patch_size))
        return concatenate([p.filtered(self.filters) for p in parts])


def resolve_device(device: str | None) -> torch.device:
    """None or "auto": the first CUDA GPU, else the CPU. Raises ValueError for a device that is not there."""
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"{device!r} is not a device: use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA GPU is available: use --device cpu")
    return device


def face_report(portrait: Portrait) -> dict:
    face = portrait.face
    if face is None:
        return {"found": False, "box": None, "confidence": None}
    return {"found": True, "box": [round(float(x), 1) for x in face.box], "confidence": face.confidence}


def _assign(model, config, state: dict[str, Tensor], device: torch.device):
    """A model with these weights, made without initialising them first. fp16 files are widened."""
    with torch.device("meta"):
        module = model(config)
    module.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
    return module.eval().requires_grad_(False).to(device)
