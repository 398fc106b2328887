"""A node for ComfyUI: a picture becomes a 3D head; out come its files' folder, the six views and six renders."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from facelift import FaceLiftPipeline
from facelift.choices import MATTINGS, SPLATS

_pipelines: dict[str, FaceLiftPipeline] = {}  # by weights: loading takes longer than a head


class FaceLiftHead:
    """ComfyUI's pictures are float (B, H, W, 3), 0..1; the first of the batch is the photo."""

    CATEGORY = "3d"
    FUNCTION = "lift"
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING", "IMAGE", "IMAGE", "IMAGE")
    RETURN_NAMES = ("head", "portrait", "views", "renders")

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "image": ("IMAGE",),
                "weights": ("STRING", {"default": "auto"}),
                "seed": ("INT", {"default": 4, "min": 0, "max": 2**31 - 1}),
                "format": (list(SPLATS),),
                "matting": (list(MATTINGS),),
                "face": ("INT", {"default": 1, "min": 1, "max": 8}),
                "folder": ("STRING", {"default": "output/facelift"}),
            }
        }

    def lift(self, image: torch.Tensor, weights: str, seed: int, format: str, matting: str, face: int, folder: str) -> tuple:
        """The splat file's path, and pictures as ComfyUI's. A photo that cannot be used raises PhotoError, whose sentence ComfyUI shows."""
        pixels = (image[0, ..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()
        if weights not in _pipelines:
            _pipelines.clear()
            _pipelines[weights] = FaceLiftPipeline.from_pretrained(weights)
        head = _pipelines[weights](Image.fromarray(pixels), seed=seed, matting=matting, face_index=face - 1)
        name = hashlib.sha256(pixels.tobytes() + f"{seed} {face} {matting}".encode()).hexdigest()[:12]
        target = Path(folder) / name
        head.save(target, formats=(format,), turntable=False)
        renders = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((target / "renders").glob("*.png"))]
        portrait = np.asarray(head.portrait.convert("RGB"))[None]
        return str(target / f"head.{format}"), *(torch.from_numpy(np.stack(p)).float() / 255 for p in (portrait, head.views, renders))


NODE_CLASS_MAPPINGS = {"FaceLiftHead": FaceLiftHead}
NODE_DISPLAY_NAME_MAPPINGS = {"FaceLiftHead": "FaceLift: photo to head"}
