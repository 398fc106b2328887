"""How much each pixel belongs to what a picture is of: the small U-2-Net (Qin et al. 2020), rembg's u2netp, from `weights/rembg/`.

OpenCV runs it with the numbers of rembg's own session: importing rembg would compile for most of a minute the first time.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cache

import numpy as np
from PIL import Image

from ..errors import ResourceError
from ..resources import resource

MODEL = "weights/rembg/u2netp.onnx"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
SIDE = 256  # 320, which it is made for, takes half as long again for little: alpha in hair 5.3 % off in place of 5.6
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class SaliencyUnavailable(Exception):
    """The model is not there or damaged; the message says which."""


def saliency(image: Image.Image, side: int = SIDE) -> np.ndarray:
    """image: RGB of any size, squeezed into a square. Returns Shape (side, side), float32 0..1. Raises SaliencyUnavailable."""
    pixels = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS), np.float32)
    scaled = (pixels / max(float(pixels.max()), 1e-6) - MEAN) / DEVIATION
    found = _network().run(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))
    return (found - found.min()) / max(float(np.ptp(found)), 1e-6)


class _Network:
    """One for all photos; not made for several threads."""

    def __init__(self, model: bytes):
        import cv2

        self.lock, self.net = threading.Lock(), cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: Shape (1, 3, H, W). Returns Shape (H, W)."""
        with self.lock:
            self.net.setInput(pixels)
            return np.array(self.net.forward())[0, 0]


@cache
def _network() -> _Network:
    try:
        model = resource(MODEL).read_bytes()
    except (ResourceError, OSError) as error:
        raise SaliencyUnavailable(str(error)) from error
    if hashlib.sha256(model).hexdigest() != SHA256:
        raise SaliencyUnavailable(f"{MODEL} is damaged: its SHA-256 is not that of the model")
    return _Network(model)
