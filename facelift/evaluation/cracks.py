"""Cracks in a driven face: pixels of skin that are darker than anything near them at rest."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, minimum_filter

from ..animation.head_rig import HeadRig
from ..cameras import Cameras
from ..face.geometry import project, rasterise
from ..face.template import load_face_template

AROUND = 17  # pixels, side of the square in which the rest is searched
DARKER = 20 / 255  # than the darkest there
MARGIN = 4  # pixels around mouth and eyes that are not asked


class FaceMask:
    """Which pixels show skin of the face, whatever the face does."""

    def __init__(self, rig: HeadRig):
        template = load_face_template()
        soft = np.maximum.reduce([template.masks[name] for name in ("lips", "eyelids", "inside_mouth")])
        self.rig, self.triangles = rig, rig.triangles
        corners = rig.vertex[rig.triangles]  # in the template
        is_body = corners.max(1) < template.body
        at = np.where(is_body[:, None], corners, 0)
        self.skin = is_body & (template.masks["face"][at].mean(1) > 0.5) & (soft[at].max(1) < 0.3)

    def __call__(self, weights: np.ndarray, camera: Cameras) -> np.ndarray:
        """bool (S, S)."""
        vertices = self.rig.vertices + np.tensordot(weights - self.rig.rest, self.rig.moves, 1)
        pixels, depths = project(vertices, camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy())
        index, _ = rasterise(pixels, depths, self.triangles, camera.width)
        skin = (index >= 0) & self.skin[np.maximum(index, 0)]
        soft = (index >= 0) & ~self.skin[np.maximum(index, 0)]
        return binary_erosion(skin, iterations=2) & ~binary_dilation(soft, iterations=MARGIN)


def crack_share(mask: FaceMask, weights: np.ndarray, still: np.ndarray, moved: np.ndarray, camera: Cameras) -> float:
    """Share of the skin's pixels. still, moved: Shape (S, S, 3), 0..1, of the head at rest and driven."""
    skin = mask(weights, camera)
    darkest = minimum_filter(still.mean(-1), AROUND)
    return float((moved.mean(-1) < darkest - DARKER)[skin].mean())
