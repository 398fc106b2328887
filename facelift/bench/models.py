"""The whole system at the released or at tiny sizes, filled with random numbers where it is measured."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from diffusers.models import AutoencoderKL
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from ..devices import placed
from ..multiview.attention import know_text, set_view_attention
from ..multiview.clip import ClipConditioner
from ..multiview.codec import VAECodec
from ..multiview.pipeline import MultiViewConfig, MultiViewPipeline
from ..multiview.released import RELEASED_SCHEDULER
from ..reconstruction.gslrm import GSLRM, GSLRMConfig
from ..stock import DDIMScheduler, UNet2DConditionModel

VIEWS, TOKENS = 6, 77
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32, "fp32": torch.float32}
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Sizes:
    """What makes the system large or small. unet, vae: channels by level; heads: of attention. sample: side of the latents.
    groups: of the UNet's norms.
    """

    unet: tuple[int, ...]
    heads: tuple[int, ...]
    text: int
    vae: tuple[int, ...]
    clip: CLIPVisionConfig
    gslrm: GSLRMConfig
    sample: int = 64
    groups: int = 32

    @property
    def image(self) -> int:
        return self.sample * 8


FULL = Sizes(
    (320, 640, 1280, 1280), (5, 10, 20, 20), 1024, (128, 256, 512, 512),
    CLIPVisionConfig(
        hidden_size=1280, intermediate_size=5120, projection_dim=1024, num_hidden_layers=32, num_attention_heads=16, image_size=224,
        patch_size=14,
    ),
    GSLRMConfig(),
)  # fmt: skip  # kit, section 2
SMALL = Sizes(
    (64, 128, 256, 256), (1, 2, 4, 4), 256, (32, 64, 64, 64),
    CLIPVisionConfig(
        hidden_size=256, intermediate_size=1024, projection_dim=256, num_hidden_layers=4, num_attention_heads=4, image_size=56,
        patch_size=14,
    ),
    GSLRMConfig(image_size=64, width=128, head_width=32, layers=6), sample=8, groups=8,
)  # fmt: skip
TINY = Sizes(
    (32, 32, 64, 64), (1, 2, 4, 4), 32, (32, 32, 32, 32),
    CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, projection_dim=32, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=8
    ),
    GSLRMConfig(image_size=64, width=64, head_width=32, layers=3), sample=8, groups=8,
)  # fmt: skip
SIZES = {"random-full": FULL, "random-small": SMALL, "random-tiny": TINY}


@dataclass(frozen=True)
class System:
    """One photo to Gaussians: the two networks, in one format of numbers."""

    format: str
    multiview: MultiViewPipeline
    reconstructor: GSLRM
    portrait: Image.Image

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.format]

    @property
    def weights_bytes(self) -> int:
        conditioner, codec = self.multiview.conditioner, self.multiview.codec
        assert isinstance(conditioner, ClipConditioner) and isinstance(codec, VAECodec)
        nets: tuple[nn.Module, ...] = (self.multiview.unet, codec.vae, conditioner.encoder, self.reconstructor)
        return sum(p.numel() * p.element_size() for net in nets for p in net.parameters())


def random_system(sizes: Sizes, device: torch.device) -> System:
    """fp32, made on the device itself by the libraries' own initialisation."""
    torch.manual_seed(0)
    assert isinstance(sizes.clip.image_size, int)
    width, side = sizes.clip.projection_dim, sizes.clip.image_size
    with torch.device(device):
        unet = UNet2DConditionModel(
            sample_size=sizes.sample, in_channels=8, out_channels=4, block_out_channels=sizes.unet, attention_head_dim=sizes.heads,
            cross_attention_dim=sizes.text, use_linear_projection=True, class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * width, norm_num_groups=sizes.groups,
        )  # fmt: skip
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=sizes.vae,
            layers_per_block=2, sample_size=sizes.image,
        )  # fmt: skip
        encoder = CLIPVisionModelWithProjection(sizes.clip)
        normalizer = StableUnCLIPImageNormalizer(width)
        reconstructor = GSLRM(sizes.gslrm)
        prompt = torch.randn(VIEWS, TOKENS, sizes.text)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    conditioner = ClipConditioner(processor, frozen(encoder), frozen(normalizer), noising, VIEWS)
    config = MultiViewConfig(image_size=sizes.image)
    unet = know_text(set_view_attention(frozen(unet), VIEWS))
    multiview = MultiViewPipeline(unet, DDIMScheduler(**RELEASED_SCHEDULER), VAECodec(frozen(vae)), conditioner, prompt, config)
    return System("fp32", multiview, frozen(reconstructor), random_portrait())


def frozen(net: Net) -> Net:
    return net.eval().requires_grad_(False)


def random_portrait() -> Image.Image:
    """Noise of low frequency, 512 px."""
    small = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return Image.fromarray(small).resize((512, 512), Image.Resampling.BICUBIC)


def converted(net: Net, dtype: torch.dtype) -> Net:
    """A second network of the same weights, which share memory where the type is the same."""
    own = {id(p): nn.Parameter(p.detach().to(dtype), requires_grad=False) for p in net.parameters()}
    return copy.deepcopy(net, dict(own))


def in_format(system: System, name: str, layout: torch.memory_format | None = None) -> System:
    """The view generator wholly in the format; GS-LRM but for its heads, which stay fp32.

    layout: of the convolutions' weights; channels last by default, but for fp32 on CUDA.
    """
    dtype, old = DTYPES[name], system.multiview
    assert isinstance(old.conditioner, ClipConditioner) and isinstance(old.codec, VAECodec)
    plain_layout = old.device.type == "cuda" and name == "fp32"
    layout = layout or (torch.contiguous_format if plain_layout else torch.channels_last)
    unet = placed(converted(old.unet, dtype), memory_format=layout)
    vae = placed(converted(old.codec.vae, dtype), memory_format=layout)
    conditioner = ClipConditioner(
        old.conditioner.processor, converted(old.conditioner.encoder, dtype), converted(old.conditioner.normalizer, dtype),
        old.conditioner.noising, VIEWS,
    )  # fmt: skip
    text = old.prompt_embeds.to(old.device, dtype)
    multiview = MultiViewPipeline(unet, old.scheduler, VAECodec(vae, VIEWS), conditioner, text, old.config)
    reconstructor = converted(system.reconstructor, dtype)
    for head in (reconstructor.gaussian_upsampler, reconstructor.pixel_gaussian_decoder):
        head.float()
    return replace(system, format=name, multiview=multiview, reconstructor=reconstructor)


def reconstruct_raw(system: System, images: Tensor, cameras) -> tuple[Tensor, Tensor]:
    """Raw values as of `GSLRM.predict`. images: Shape (V, 3, S, S)."""
    return system.reconstructor.predict(images[None, :, :3].to(system.dtype), cameras)


@contextmanager
def tf32(allowed: bool):
    """Whether products of fp32 numbers on CUDA may be rounded to TF32."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def with_numbers(name: str, work: Callable[[], object]) -> Callable[[], object]:
    """The work under inference mode, in a format's arithmetic."""

    def run() -> object:
        with tf32(name == "tf32"), torch.inference_mode():
            return work()

    return run
