"""How human faces are proportioned, and the features of an identity moved to such proportions.

Independent draws of a hundred morphs add up to faces nobody has, and the mesh's own average has a narrow mouth and small, close-set eyes.
So a dozen ratios are drawn as anthropometry knows them, and the features are conditioned on them: of all ways to reach the ratios the
likeliest one, as for any Gaussian.

How much men differ from women follows measured faces. Virdi, Wertheim and Naini, Normative anthropometry and proportions of the
Kenyan-African face, 2019, table 9: men's and women's jaw 0.797 and 0.744 of the face width, nose height 0.381 and 0.366, mouth 0.418 and
0.400, nasion to menton 0.95 and 0.90. Skomina, Verdenik and Hren, PLoS ONE 15(5) e0231983, 2020: young men's faces are 3 mm wider
above and 8 mm below. All other means and spreads are estimates: the mesh's points are not quite the anthropologists' landmarks, so the
numbers were set by eye, to look like photos.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .template import Template

# on the average face, left side, millimetres
POINTS = dict(
    zygion=(67.4, -64.1, 708.3),
    gonion=(50.2, -68.9, 655.8),
    chin_side=(26.5, -120.6, 635.9),
    nasion=(0, -142.2, 742.4),
    nose_tip=(0, -159.5, 699.8),
    subnasale=(0, -149.4, 688.5),
    alare=(16.9, -141.2, 700),
    upper_lip=(0, -153.3, 677.8),
    stomion=(0, -146.9, 669.5),
    lower_lip=(0, -147.7, 656.9),
    mouth_corner=(22.1, -139.1, 668.2),
    chin=(0, -132.5, 629),
    inner_eye=(19.1, -129.6, 732.8),
    outer_eye=(41.5, -126.9, 734),
    upper_lid=(29.3, -134.4, 738.2),
    lower_lid=(29.4, -132.3, 730.5),
)
X, Y, Z = range(3)
FACE_WIDTH = (("zygion", X, 2),)
EYE_WIDTH = (("outer_eye", X, 1), ("inner_eye", X, -1))
LID_GAP = (("upper_lid", Z, 1), ("lower_lid", Z, -1))
MOUTH_WIDTH = (("mouth_corner", X, 2),)


class Proportion(NamedTuple):
    """A length as a part of another; lengths are sums of (point, axis, factor).

    means: of african, asian and caucasian adults. male, child, old: what is added for each, in full.
    """

    length: tuple
    of: tuple
    means: tuple[float, float, float]
    spread: float
    male: float = 0.0
    child: float = 0.0
    old: float = 0.0


PROPORTIONS = dict(
    face_height=Proportion((("nasion", Z, 1), ("chin", Z, -1)), FACE_WIDTH, (0.815, 0.805, 0.82), 0.036, male=0.045, child=-0.12),
    pupils=Proportion((("inner_eye", X, 1), ("outer_eye", X, 1)), FACE_WIDTH, (0.465, 0.46, 0.455), 0.016),
    eye_width=Proportion(EYE_WIDTH, FACE_WIDTH, (0.206, 0.202, 0.204), 0.008, male=-0.010, child=0.03),
    eye_opening=Proportion(
        (("upper_lid", Z, 1), ("lower_lid", Z, -1)), EYE_WIDTH, (0.42, 0.37, 0.415), 0.035, male=-0.04, child=0.06, old=-0.05
    ),
    nose_width=Proportion((("alare", X, 2),), FACE_WIDTH, (0.302, 0.272, 0.242), 0.017, male=0.012, old=0.01, child=-0.02),
    nose_height=Proportion(
        (("nasion", Z, 1), ("subnasale", Z, -1)), FACE_WIDTH, (0.347, 0.352, 0.362), 0.020, male=0.014, child=-0.07, old=0.01
    ),
    nose_depth=Proportion((("subnasale", Y, 1), ("nose_tip", Y, -1)), FACE_WIDTH, (0.070, 0.070, 0.080), 0.010, male=0.004, child=-0.015),
    mouth_width=Proportion(MOUTH_WIDTH, FACE_WIDTH, (0.378, 0.358, 0.362), 0.022, male=0.015, child=-0.035),
    lips=Proportion((("upper_lip", Z, 1), ("lower_lip", Z, -1)), MOUTH_WIDTH, (0.44, 0.39, 0.36), 0.040, male=-0.03, old=-0.08),
    upper_lip=Proportion(
        (("subnasale", Z, 1), ("stomion", Z, -1)), FACE_WIDTH, (0.147, 0.142, 0.141), 0.011, male=0.007, child=-0.02, old=0.01
    ),
    jaw=Proportion((("gonion", X, 2),), FACE_WIDTH, (0.715, 0.715, 0.70), 0.026, male=0.05, child=-0.03),
    chin_width=Proportion((("chin_side", X, 2),), FACE_WIDTH, (0.362, 0.358, 0.355), 0.024, male=0.04, child=-0.02),
)


def draw_proportions(rng: np.random.Generator, male: float, ethnicity, child: float, old: float) -> np.ndarray:
    """Shape (P,). In the order of PROPORTIONS."""
    shifts = np.clip(rng.normal(0, 1, len(PROPORTIONS)), -2.2, 2.2)
    return np.array(
        [
            np.dot(p.means, ethnicity) + male * p.male + child * p.child + old * p.old + shift * p.spread
            for p, shift in zip(PROPORTIONS.values(), shifts, strict=True)
        ]
    )


def condition(features: np.ndarray, spreads: np.ndarray, rows: np.ndarray, offsets: np.ndarray, limit: float) -> np.ndarray:
    """The features (F,) moved so that rows (2, P, F: slopes for negative and positive values) @ features + offsets (P,) vanishes.

    Moves go where the spread (F,) of a feature allows them: the conditional mean of a Gaussian.
    """
    variances = spreads**2
    mean = rows.mean(0)  # what bends the same way at both ends steers nothing
    gram = (mean * variances) @ mean.T
    gain = (variances[:, None] * mean.T) @ np.linalg.inv(gram + 1e-3 * np.diag(np.diag(gram)))
    for _ in range(6):
        error = offsets + np.where(features > 0, rows[1], rows[0]) @ features
        features = np.clip(features - gain @ error, -limit, limit)
    return features


def measures(template: Template, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(slopes (P, M), constants (P,)): length - ratio * other length, as a linear function of the weights of all morphs. Metres."""
    lengths, of = lengths_of_template(template)
    slopes = lengths[0] - ratios[:, None] * of[0]
    return slopes, lengths[1] - ratios * of[1]


@lru_cache(maxsize=2)
def lengths_of_template(template: Template) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """For the lengths and for what they are parts of: slopes (P, M) and constants (P,)."""
    points = np.array(list(POINTS.values())) / 1000
    tree = cKDTree(template.rest[: template.body])
    sides = [dict(zip(POINTS, tree.query(points * (side, 1, 1))[1], strict=True)) for side in (1, -1)]

    def linear(length) -> tuple[np.ndarray, float]:
        """Both sides count half, so that a crooked face has the width it has."""
        slope, constant = np.zeros(len(template.names)), 0.0
        for point, axis, factor in length:
            for index, mirror in zip(sides, (1, -1 if axis == X else 1), strict=True):
                row = template.subdivide[index[point]]
                slope += factor / 2 * mirror * (row @ template.morphs[axis::3]).toarray()[0]
                constant += factor / 2 * mirror * float((row @ template.control[:, axis])[0])
        return slope, constant

    def stack(lengths):
        slopes, constants = zip(*(linear(length) for length in lengths), strict=True)
        return np.array(slopes), np.array(constants)

    return stack([p.length for p in PROPORTIONS.values()]), stack([p.of for p in PROPORTIONS.values()])
