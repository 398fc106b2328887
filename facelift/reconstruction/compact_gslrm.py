"""A small GS-LRM with what helps small reconstructors: RGBA views, colour skip, alpha gate, the visual hull as prior depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..cameras import Cameras, rays
from .gslrm import GSLRM, GSLRMConfig, config_from_state
from .pixel_gaussians import GAUSSIAN_CHANNELS, PixelGaussians, decode_pixel_gaussians, free_gaussians
from .protocol import Reconstruction
from .visual_hull import hulls


@dataclass(frozen=True)
class CompactGSLRMConfig(GSLRMConfig):
    """Switches for ablations; all are on in what we train."""

    image_size: int = 256
    width: int = 512
    layers: int = 7
    free_gaussians: int = 0
    in_channels: int = 11  # RGBA, ray direction, nearest point, hull
    color_skip: bool = True  # colour of a Gaussian = colour of its pixel + what the network adds
    alpha_gate: bool = True  # pixels with alpha < 0.5 make no Gaussian
    hull: bool = True  # depths are relative to the visual hull of the views, which the model also sees
    drop_empty: bool = True  # patches that the gate would empty make no token
    output_bias: bool = True  # lets training begin at a plausible head


class CompactGSLRM(GSLRM):
    config: CompactGSLRMConfig

    def __init__(self, config: CompactGSLRMConfig):
        """Raises ValueError for drop_empty without alpha_gate."""
        super().__init__(config)
        if config.drop_empty and not config.alpha_gate:
            raise ValueError("drop_empty needs alpha_gate: Gaussians of patches without a token would be seen")
        if config.output_bias:
            out = self.pixel_gaussian_decoder[1]
            assert isinstance(out, nn.Linear)
            self.pixel_gaussian_decoder[1] = nn.Linear(out.in_features, GAUSSIAN_CHANNELS * config.patch_size**2)

    def predict(self, images: Tensor, cameras: Cameras, hull: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """images: Shape (B, V, 4, H, W), 0..1.
        hull: Shape (B, V, H, W), its ray depth.
        Returns as `GSLRM.predict`.
        """
        posed = self.posed_images(images, cameras)
        if hull is not None:
            posed = torch.cat([posed, hull[:, :, None].to(posed.dtype)], 2)
        patches = self.patchify(posed)
        if not self.config.drop_empty:
            free_raw, raw = self.transform(patches)
            return free_raw, self.unpatchify(raw, images.shape)
        kept = self.patchify(images[:, :, 3:]).amax(-1) >= 0.5
        parts = [self.transform(p[k][None]) for p, k in zip(patches, kept, strict=True)]  # samples keep different numbers of patches
        free_raw, raw = torch.cat([free for free, _ in parts]), torch.cat([raw[0] for _, raw in parts])
        everywhere = raw.new_zeros(*kept.shape, raw.shape[-1]).masked_scatter(kept[..., None], raw)
        return free_raw, self.unpatchify(everywhere, images.shape)

    def outputs(self, images: Tensor, cameras: Cameras, hull: Tensor | None = None) -> tuple[Tensor, PixelGaussians]:
        """As `predict`, with the pixels' values decoded. The hull is found here where it is not given."""
        config = self.config
        if config.hull and hull is None:
            hull = hulls(images, cameras)
        free_raw, raw = self.predict(images, cameras, hull)
        return free_raw, decode_pixel_gaussians(raw, images, *rays(cameras), config.color_skip, config.alpha_gate, hull)

    def forward(self, images: Tensor, cameras: Cameras, hull: Tensor | None = None) -> PixelGaussians:
        """images: Shape (B, V, 4, H, W). hull: Shape (B, V, H, W)."""
        return self.outputs(images, cameras, hull)[1]

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        """images: Shape (V, 4, H, W), 0..1. See `protocol.Reconstructor`."""
        free_raw, pixel = self.outputs(images[None], cameras)
        return Reconstruction(free_gaussians(free_raw[0]), pixel, self.config.patch_size)


def compact_config_from_state(state: dict[str, Tensor], image_size: int) -> CompactGSLRMConfig:
    """The sizes of a run's weights from their shapes; the switches are those we train with."""
    sizes = config_from_state(state, image_size)
    bias = "pixel_gaussian_decoder.1.bias" in state
    return CompactGSLRMConfig(image_size=image_size, width=sizes.width, layers=sizes.layers, output_bias=bias)
