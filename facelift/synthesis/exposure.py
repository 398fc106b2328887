"""What a camera makes of radiance: automatic exposure, white balance, and the curve from light to sRGB."""

from __future__ import annotations

import numpy as np

FACE_BRIGHTNESS = 0.92  # light on a face of middle colour, times its albedo is what a picture shows
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
MIDDLE_SKIN, METERING = 0.26, 0.3  # albedo; how far cameras go to show every skin equally bright, 0..1
WHITE_BALANCE = 0.75  # how far they go to make the light on a face white, 0..1
SHOULDER = 0.62  # above it highlights are compressed


def automatic_exposure(light: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """light: Shape (3,). What falls on the face, as the radiance of a white surface there. albedo: Shape (3,). Of the face.

    A factor a channel, Shape (3,).
    """
    light = np.asarray(light, float).clip(0.05)
    balance = (light.mean() / light) ** WHITE_BALANCE
    metered = (MIDDLE_SKIN / (albedo @ LUMINANCE)) ** METERING
    return (FACE_BRIGHTNESS * metered / light.mean()).clip(0.15, 4) * balance


def tone(radiance: np.ndarray) -> np.ndarray:
    """Exposed linear radiance to sRGB values 0..1, as tone() of shaders/common.glsl."""
    c = np.asarray(radiance, np.float32)
    c = np.where(c > SHOULDER, SHOULDER + (1 - SHOULDER) * (1 - np.exp(-(c - SHOULDER) / (1 - SHOULDER))), c)
    return np.where(c > 0.0031308, 1.055 * np.maximum(c, 1e-5) ** (1 / 2.4) - 0.055, c * 12.92).clip(0, 1)
