"""What a face does: 52 face units (the names are ARKit's) in families of expressions, and where the eyes look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .template import Template

FAMILIES = {
    "neutral": 0.28, "smile": 0.19, "grin": 0.18, "laugh": 0.07, "surprise": 0.04, "frown": 0.05, "talk": 0.09, "pucker": 0.03,
    "squint": 0.03, "wink": 0.015, "mix": 0.025,
}  # fmt: skip

AT_CAMERA = 0.65  # of all gazes


@dataclass(frozen=True)
class Expression:
    """weights: Shape (M,). Of the template's morphs, to be added to an identity's. yaw, pitch: of the gaze in degrees, relative to the
    head; positive to the subject's left and up."""

    kind: str
    weights: np.ndarray
    yaw: float
    pitch: float


def draw_expression(
    rng: np.random.Generator, template: Template, head_rotation: np.ndarray | None = None, kind: str | None = None
) -> Expression:
    """head_rotation: Shape (3, 3). Of the head that the eyes are in; most people look at the camera, wherever their head points."""
    kind = kind or str(rng.choice(list(FAMILIES), p=list(FAMILIES.values())))
    face = Face(template, rng)
    FAMILY[kind](face, rng.uniform)
    face.blink(rng)
    yaw, pitch = draw_gaze(rng, np.eye(3) if head_rotation is None else head_rotation)
    face.look(yaw, pitch)
    return Expression(kind, face.weights, yaw, pitch)


def draw_gaze(rng: np.random.Generator, head_rotation: np.ndarray) -> tuple[float, float]:
    """Yaw and pitch in the head's frame, degrees."""
    x, y, z = head_rotation.T @ [0, -1, 0]
    spread = (2, 1.5) if rng.random() < AT_CAMERA else (10, 5)
    yaw, pitch = np.degrees([np.arctan2(x, -y), np.arcsin(z)]) + rng.normal(0, spread)
    return float(np.clip(yaw, -24, 24)), float(np.clip(pitch, -9, 12))


class Face:
    """Face units being set; both sides differ a little."""

    def __init__(self, template: Template, rng: np.random.Generator):
        self.template, self.rng = template, rng
        self.weights = np.zeros(len(template.names), np.float32)

    def one(self, unit: str, value: float) -> None:
        index = self.template.index(f"fu/{unit}")
        self.weights[index] = np.clip(max(value, self.weights[index]), 0, 1)

    def both(self, unit: str, value: float, uneven: float = 0.12) -> None:
        for side in ("Left", "Right"):
            self.one(unit + side, value * (1 + self.rng.normal(0, uneven)))

    def blink(self, rng: np.random.Generator) -> None:
        """Lids hang a little; now and then a camera catches a blink."""
        self.both("eyeBlink", rng.uniform(0, 0.05) if rng.random() < 0.98 else rng.uniform(0.3, 0.9), 0.05)

    def look(self, yaw: float, pitch: float) -> None:
        """Lids and brows follow the eyes."""
        outer, inner = ("Left", "Right") if yaw > 0 else ("Right", "Left")
        self.one(f"eyeLookOut{outer}", abs(yaw) / 35)
        self.one(f"eyeLookIn{inner}", abs(yaw) / 35)
        if pitch > 0:  # the face unit alone leaves the upper lid on the iris
            self.both("eyeLookUp", pitch / 15, 0)
            for side in ("Left", "Right"):
                self.weights[self.template.index(f"fu/eyeWide{side}")] += 0.03 * pitch
        else:
            self.both("eyeLookDown", -pitch / 20, 0)


def neutral(face: Face, draw) -> None:
    """No face at rest is quite blank."""
    face.both("mouthSmile", draw(-0.15, 0.25))
    face.both("mouthPress", draw(-0.2, 0.25))
    face.one("browInnerUp", draw(-0.2, 0.25))
    face.both("browDown", draw(-0.3, 0.25))
    face.both("eyeSquint", draw(-0.2, 0.15))


def smile(face: Face, draw) -> None:
    """Lips closed."""
    strength = draw(0.3, 1)
    face.both("mouthSmile", strength)
    face.both("cheekSquint", strength * draw(0, 0.7))
    face.both("mouthDimple", draw(0, 0.3))
    face.both("eyeSquint", strength * draw(-0.1, 0.2))


def grin(face: Face, draw) -> None:
    """A broad smile that shows the upper teeth; cheeks lift and narrow the eyes."""
    face.both("mouthSmile", draw(0.6, 1))
    face.both("mouthUpperUp", draw(0.3, 0.6))
    face.both("mouthLowerDown", draw(0.1, 0.4))
    face.both("mouthStretch", draw(0, 0.3))
    face.both("cheekSquint", draw(0.3, 0.8))
    face.both("eyeSquint", draw(0, 0.25))
    face.one("jawOpen", draw(0.02, 0.18))


def laugh(face: Face, draw) -> None:
    face.both("mouthSmile", draw(0.7, 1))
    face.one("jawOpen", draw(0.2, 0.42))
    face.both("mouthUpperUp", draw(0.3, 0.6))
    face.both("mouthLowerDown", draw(0.1, 0.4))
    face.both("cheekSquint", draw(0.5, 0.9))
    face.both("eyeSquint", draw(0.1, 0.45))
    face.one("browInnerUp", draw(-0.3, 0.4))


def surprise(face: Face, draw) -> None:
    face.one("jawOpen", draw(0.1, 0.5))
    face.one("browInnerUp", draw(0.4, 1))
    face.both("browOuterUp", draw(0.4, 1))
    face.both("eyeWide", draw(0.2, 0.8))


def frown(face: Face, draw) -> None:
    face.both("mouthFrown", draw(0.2, 0.8))
    face.both("browDown", draw(0.2, 0.9))
    face.one("mouthShrugLower", draw(0, 0.5))
    face.both("eyeSquint", draw(-0.1, 0.2))


def talk(face: Face, draw) -> None:
    face.one("jawOpen", draw(0.05, 0.32))
    face.one("mouthFunnel", draw(-0.3, 0.45))
    face.both("mouthLowerDown", draw(0, 0.4))
    face.both("mouthStretch", draw(-0.2, 0.4))
    face.both("mouthSmile", draw(-0.3, 0.4))


def pucker(face: Face, draw) -> None:
    face.one("mouthPucker", draw(0.3, 1))
    face.both("browDown", draw(0, 0.5))


def squint(face: Face, draw) -> None:
    face.both("eyeSquint", draw(0.2, 0.7))
    face.both("browDown", draw(0.2, 0.6))
    face.both("noseSneer", draw(0, 0.6))
    face.both("mouthPress", draw(0, 0.6))


def wink(face: Face, draw) -> None:
    side = "Left" if draw() < 0.5 else "Right"
    smile(face, draw)
    for unit, value in (("eyeBlink", 1), ("eyeSquint", 0.6), ("cheekSquint", 0.7)):
        face.one(unit + side, value)


def mix(face: Face, draw) -> None:
    """Any five units, weakly."""
    units = [
        n[3:] for n in face.template.names if n.startswith("fu/") and not any(k in n for k in ("Look", "tongue", "Blink", "mouthClose"))
    ]
    for unit in face.rng.choice(units, 5, replace=False):
        face.one(str(unit), draw(0.1, 0.5))


FAMILY = {f.__name__: f for f in (neutral, smile, grin, laugh, surprise, frown, talk, pucker, squint, wink, mix)}
