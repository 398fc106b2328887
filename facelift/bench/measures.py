"""Every stage that can be timed, in one format of numbers at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..cameras import six_views
from ..gaussians import RELEASE_CLI
from ..multiview.codec import VAECodec
from ..multiview.graph import GraphedUNet
from ..multiview.pipeline import MultiViewPipeline, seeded_noise
from .clock import Clock, in_turn, timed
from .film import film_rows
from .kernels import kernels_of
from .models import FULL, VIEWS, Sizes, System, in_format, random_system, reconstruct_raw, with_numbers
from .naive import naive, reconstruct_naively
from .peak import copy_work, peak_works, prefer_cudnn, with_cudnn
from .presets import differences, preset_works
from .results import Results, rows_of
from .switches import without

Work = Callable[[], object]
SEED = 4
TIMESTEP = 501  # of the one step that is timed


def under_no_grad(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """In place of inference mode."""

    def run() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return work()

    return run


def counted(work: Work) -> float:
    """Flops of one run: two for a multiplication and an addition, of products, convolutions and attention."""

    def attention(q: torch.Size, k: torch.Size, v: torch.Size, *_, **__) -> int:
        return sdpa_flop_count(q, k, v)

    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch itself counts those of CUDA
    with FlopCounterMode(display=False, custom_mapping={on_cpu: attention}) as counter:
        work()
    return float(counter.get_total_flops())


@dataclass(frozen=True)
class Wanted:
    """steps: of diffusion, end to end. naive, graphs: whether the naive way and CUDA graphs are among the ways.
    processor_time: as of `clock.timed`. rounds: measured at most, of each way.
    """

    steps: int = 50
    naive: bool = True
    graphs: bool = True
    processor_time: bool = False
    rounds: int = 9


class Measures:
    """Each method times one stage in a format and adds its rows to the results."""

    def __init__(self, sizes: Sizes, device: torch.device, clock: Clock, results: Results, wanted: Wanted):
        self.sizes, self.device, self.clock, self.results, self.wanted = sizes, device, clock, results, wanted
        self.steps, self.graphs = wanted.steps, wanted.graphs and device.type == "cuda"
        self.original = random_system(sizes, device)
        self.outputs: dict[tuple[str, str, str], Tensor] = {}  # by stage, way and format
        self._systems: dict[tuple[str, str], System] = {}
        self._flops: dict[tuple[str, str], float] = {}
        self._cameras = six_views(sizes.image).to(device)
        self._views = torch.rand(VIEWS, 3, sizes.image, sizes.image, generator=torch.Generator().manual_seed(0)).to(device)

    def system(self, format: str, way: str = "ours") -> System:
        """way: ours, naive, or a name of its own for another captured UNet."""
        if (format, way) not in self._systems:
            if way == "ours":
                made = in_format(self.original, format)
            elif way == "naive":
                made = naive(self.system(format), self.original)
            else:
                made = self._graphed(self.system(format))
            self._systems[format, way] = made
        return self._systems[format, way]

    def _graphed(self, system: System) -> System:
        old = system.multiview
        new = MultiViewPipeline(old.unet, old.scheduler, old.codec, old.conditioner, old.prompt_embeds, old.config)
        new.graph = GraphedUNet(old.unet)
        return replace(system, multiview=new)

    def _ways(self, format: str) -> dict[str, System]:
        return {way: self.system(format, way) for way in (("naive", "ours") if self.wanted.naive else ("ours",))}

    def _measure(self, stage: str, format: str, works: dict[str, Work], share: float = 0.03, **options) -> None:
        """works: by way; those called "WAY, more" have the flops of WAY, which are counted in a run of their own."""
        works = {way: with_numbers(format, work) for way, work in works.items()}
        for way in works:
            if "," not in way and (stage, way) not in self._flops:
                self._flops[stage, way] = counted(works[way])
        self._time(stage, format, works, share, **options)

    def _time(self, stage: str, format: str, works: dict[str, Work], share: float, **options) -> None:
        flops = {way: self._flops[stage, way.split(",")[0]] for way in works if (stage, way.split(",")[0]) in self._flops}
        options = {"rounds": self.wanted.rounds} | options
        runs = in_turn(works, self.device, self.clock.part(share), processor=self.wanted.processor_time, **options)
        self.results.add(rows_of(stage, format, runs, flops, self.results.peak("matmul", format), self.system(format).weights_bytes))

    def _kept(self, stage: str, way: str, format: str, work: Callable[[], Tensor]) -> Work:
        """The work, whose last output is kept for a comparison."""

        def run() -> object:
            self.outputs[stage, way, format] = output = work()
            return output

        return run

    def peak(self, format: str) -> None:
        works, flops = peak_works(format, self.device)
        runs = in_turn(works, self.device, self.clock.part(0.01), 20, processor=self.wanted.processor_time)
        self.results.add(rows_of("peak", format, runs, flops, None))

    def copy(self, _: str) -> None:
        work, size = copy_work(self.device)
        (row,) = rows_of("peak", "bytes", in_turn({"copy": work}, self.device, self.clock.part(0.01), rounds=20), {}, None)
        self.results.add([row])
        self.results.note(f"copy: {size / row.seconds / 1e9:.0f} GB/s read and written")

    def _step(self, system: System) -> Callable[[], Tensor]:
        """One guided step of all views."""
        pipeline, draw = system.multiview, seeded_noise(SEED)
        condition = pipeline.encode(system.portrait, draw)
        latents = pipeline.prepare_latents(condition, draw)
        t = torch.tensor(TIMESTEP, device=self.device)
        return lambda: pipeline.predict(latents, t, condition, pipeline.config.guidance_scale)

    @torch.inference_mode()
    def unet(self, format: str) -> None:
        def step(way: str, system: System) -> Work:
            return self._kept("unet", way, format, self._step(system))

        works = {way: step(way, system) for way, system in self._ways(format).items()}
        if self.device.type == "cuda":
            works["ours, cudnn"] = with_cudnn(step("ours, cudnn", self.system(format)))
        if self.graphs:
            works["ours, graph"] = step("ours, graph", self.system(format, "graph"))
            works["ours, graph, cudnn"] = with_cudnn(step("ours, graph, cudnn", self.system(format, "graph, cudnn")))
        self._measure("unet", format, works)

    @torch.inference_mode()
    def switches(self, format: str) -> None:
        """The UNet with one switch off at a time."""
        ours = self._step(self.system(format))
        steps = {"ours": ours, "without inference mode": under_no_grad(ours)}
        steps |= {f"without {name}": self._step(system) for name, system in without(self.system(format), self.original).items()}
        self._measure("switches", format, {way: self._kept("switches", way, format, step) for way, step in steps.items()}, 0.25)

    @torch.inference_mode()
    def tuned(self, format: str) -> None:
        """The UNet with the convolutions that measured fastest, laid out both ways."""
        planar = in_format(self.original, format, torch.contiguous_format)
        layouts = {"channels last": self.system(format), "planar": planar}
        works: dict[str, Work] = {f"ours, graph, tuned, {name}": self._step(self._graphed(system)) for name, system in layouts.items()}
        torch.backends.cudnn.benchmark = True
        try:
            self._measure("unet", format, works)
        finally:
            torch.backends.cudnn.benchmark = False

    def gslrm(self, format: str) -> None:
        def raw(way: str, system: System) -> Work:
            predict = reconstruct_naively if way == "naive" else reconstruct_raw
            return self._kept("gslrm", way, format, lambda: predict(system, self._views, self._cameras)[1])

        works = {way: raw(way, system) for way, system in self._ways(format).items()}
        if self.device.type == "cuda" and format in ("fp16", "bf16"):
            works["ours, cudnn"] = with_cudnn(raw("ours, cudnn", self.system(format)))
        self._measure("gslrm", format, works)

    def encode(self, format: str) -> None:
        def encoding(system: System) -> Work:
            return lambda: system.multiview.encode(system.portrait, seeded_noise(SEED))

        self._measure("encode", format, {way: encoding(system) for way, system in self._ways(format).items()})

    def decode(self, format: str) -> None:
        side = self.sizes.sample
        latents = torch.randn(VIEWS, 4, side, side, generator=torch.Generator().manual_seed(0)).to(self.device)

        def decoding(way: str, system: System, at_once: int = VIEWS) -> Work:
            assert isinstance(system.multiview.codec, VAECodec)
            codec = VAECodec(system.multiview.codec.vae, at_once)
            return self._kept("decode", way, format, lambda: codec.decode(latents))

        works = {way: decoding(way, system) for way, system in self._ways(format).items()}
        works["ours, one by one"] = decoding("ours, one by one", self.system(format), 1)
        self._measure("decode", format, works)

    def photo(self, format: str) -> None:
        """Portrait to filtered Gaussians, all steps. On CUDA with what measured fastest before."""

        def lifted(way: str, system: System, steps: int, unet_cudnn: bool = False, gslrm_cudnn: bool = False) -> Tensor:
            with prefer_cudnn() if unet_cudnn else nullcontext():
                views = system.multiview(system.portrait, SEED, steps).views
            images = (views * 255).round() / 255
            with prefer_cudnn() if gslrm_cudnn else nullcontext():
                free, raw = (reconstruct_naively if way == "naive" else reconstruct_raw)(system, images, self._cameras)
            system.reconstructor.decode(free[0], raw[0], images, self._cameras).filtered(RELEASE_CLI)
            return views

        calls = {way: (way, system) for way, system in self._ways(format).items()}
        options: dict[str, dict[str, bool]] = {}
        if self.graphs:
            fast = {"unet_cudnn": self.results.faster("unet", format, "ours, graph, cudnn", "ours, graph")}
            calls["ours, graph"] = ("ours", self.system(format, "graph, cudnn" if fast["unet_cudnn"] else "graph"))
            options["ours, graph"] = fast | {"gslrm_cudnn": self.results.faster("gslrm", format, "ours, cudnn", "ours")}
            self.results.note(f"photo {format}, ours, graph: {options['ours, graph']}")
        works: dict[str, Work] = {}
        for way, (kind, system) in calls.items():
            more = options.get(way, {})
            with_numbers(format, partial(lifted, kind, system, 1, **more))()
            run = self._kept("photo", way, format, partial(lifted, kind, system, self.steps, **more))
            works[way] = with_numbers(format, run)
        for way in self._ways(format):
            parts = {part: self._flops.get((part, way), 0.0) for part in ("unet", "gslrm", "encode", "decode")}
            if all(parts.values()):
                self._flops["photo", way] = sum(parts.values()) + (self.steps - 1) * parts["unet"]
        self._time("photo", format, works, 0.12, rounds=min(3, self.wanted.rounds), least=1, warm=False)

    def presets(self, format: str) -> None:
        """Portrait to views by each preset, and by each part of the fast one alone."""
        works = preset_works(self.system(format), self.steps, self.system(format, "graph") if self.graphs else None)
        runs = {way: with_numbers(format, self._kept("presets", way, format, work)) for way, work in works.items()}
        self._time("presets", format, runs, 0.2, rounds=min(3, self.wanted.rounds), least=1, warm=False)
        outputs = {way: output for (stage, way, of), output in self.outputs.items() if (stage, of) == ("presets", format)}
        for name, value in differences(outputs).items():
            self.results.differ(f"presets {format}: {name}, dB", value)

    def film(self, _: str) -> None:
        self.results.add(film_rows(self.sizes is FULL, self.clock.part(0.05)))

    def autograd(self, format: str) -> None:
        """The naive step with everything kept for gradients, as when nobody turns them off."""
        if not self.wanted.naive:
            return
        work = self._step(self.system(format, "naive"))
        unet = self.system(format, "naive").multiview.unet
        unet.requires_grad_(True)
        try:
            self._time("unet", format, {"naive, autograd": work}, 0.03, rounds=3)
        finally:
            unet.requires_grad_(False)

    @torch.inference_mode()
    def kernels(self, format: str) -> None:
        for stage, work in (
            ("unet", self._step(self.system(format))),
            ("gslrm", lambda: reconstruct_raw(self.system(format), self._views, self._cameras)),
        ):
            self.results.kernels[f"{stage} {format}"] = found = kernels_of(with_numbers(format, work), self.device)
            for kernel in found[:12]:
                print(f"{stage} {format}: {kernel}", flush=True)

    @torch.inference_mode()
    def compiled(self, format: str) -> None:
        system = self._graphed(self.system(format))
        system.multiview.graph = None
        system.multiview.unet = torch.compile(system.multiview.unet, dynamic=False)  # type: ignore[assignment]  # behaves as the UNet does
        work = self._step(system)
        seconds, _ = timed(with_numbers(format, work), self.device)
        self.results.note(f"torch.compile of the UNet in {format}: {seconds:.1f} s")
        self._measure("unet", format, {"ours, compiled": work})
