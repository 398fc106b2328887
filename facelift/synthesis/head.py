"""One head, put together. Every part has its own generator, so a change in one does not redraw another."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace
from typing import NamedTuple

import numpy as np

from ..cameras import FOCAL_512, RADIUS
from ..portrait.crop import FACE_CENTRE, FACE_SIZE
from .clothing import WearLook, draw_wear_look, dress
from .clothing.bust import rest_arms
from .expression import Expression, draw_expression
from .eyes import EyeLook, draw_eye_look, eye_meshes, lash_mesh, mouth_mesh
from .hair import HairLook, draw_hair_look, grow_hair
from .identity import Identity, draw_identity
from .light import draw_light
from .options import Options
from .scene import Light, Mesh, Scene, Surface
from .skin import SkinLook, draw_skin_look, skin_mesh
from .surface import draw_rotation, make_surface
from .template import Template, load_template

# streams of random numbers; a new part takes a new number
IDENTITY, EXPRESSION, POSE, SKIN, EYES, HAIR_LOOK, HAIR, WEAR_LOOK, WEAR, LIGHT = range(10)


class Box(NamedTuple):
    """The box that portrait.faces draws around a face, from its bones as the front camera sees them (fitted on 100 heads: size within 3.3 %
    RMS): size = height * (eyes to chin) + width * (width of the face); centre = eyes + down * (eyes to chin), and `right` pixels aside."""

    height: float = 0.435
    width: float = 0.736
    down: float = 0.185
    right: float = -1.36


BOX = Box()


@dataclass(frozen=True)
class Looks:
    """Everything that is drawn at random of one head. `dataclasses.replace` a part of it to have it otherwise."""

    seed: int
    appearance: int
    identity: Identity
    expression: Expression
    skin: SkinLook
    eyes: EyeLook
    hair: HairLook
    wear: WearLook
    light: Light

    def stream(self, part: int) -> np.random.Generator:
        return stream(self.seed, self.appearance, part)


def stream(seed: int, appearance: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, part] if part == IDENTITY else [seed, part, appearance])


def make_head(seed: int, appearance: int = 0, options: Options | None = None, light: str | None = None) -> Scene:
    """The head of this seed. Another appearance is the same person with other hair, skin, expression, pose, clothes and light.

    light: of `light.MODES` instead of a drawn one.
    """
    return build_head(draw_looks(seed, appearance, options, light))


def draw_looks(seed: int, appearance: int = 0, options: Options | None = None, light: str | None = None) -> Looks:
    template = load_template()
    rngs = [stream(seed, appearance, part) for part in range(LIGHT + 1)]
    identity = draw_identity(rngs[IDENTITY], template)
    expression = draw_expression(rngs[EXPRESSION], template, draw_rotation(rngs[POSE]))
    skin = draw_skin_look(rngs[SKIN], identity)
    eyes = draw_eye_look(rngs[EYES], skin.melanin, identity.old)
    hair = draw_hair_look(rngs[HAIR_LOOK], identity, skin.melanin)
    wear = draw_wear_look(rngs[WEAR_LOOK], identity, options or Options())
    return Looks(seed, appearance, identity, expression, skin, eyes, hair, wear, draw_light(rngs[LIGHT], light))


def build_head(looks: Looks) -> Scene:
    """Grows, dresses and frames what was drawn; the seed still decides every single strand and fold."""
    template = load_template()
    surface = rest_arms(make_surface(template, looks.identity, looks.expression, looks.stream(POSE)))
    garments, covered, bare = dress(surface, looks.wear, looks.stream(WEAR), looks.skin.color)
    strands, scalp = grow_hair(surface, looks.hair, looks.stream(HAIR), looks.identity, covered)
    body = uncovered(skin_mesh(surface, looks.identity, looks.skin, looks.hair, scalp), bare)
    eyes = eye_meshes(surface, looks.expression, looks.eyes)
    meshes = (body, *eyes, mouth_mesh(surface, looks.eyes), lash_mesh(surface, looks.hair.lashes), *garments)
    parts = {name: describe(getattr(looks, name)) for name in ("identity", "expression", "skin", "eyes", "hair", "wear")}
    meta = dict(seed=looks.seed, appearance=looks.appearance, light=looks.light.mode, **parts)
    return Scene(surface, meshes, strands, looks.light, frame(surface, template), meta)


def uncovered(body: Mesh, bare: np.ndarray) -> Mesh:
    """The body without what lies under clothes. bare: Shape (B,)."""
    return replace(body, triangles=body.triangles[(bare[body.triangles] > 0.5).any(1)])


def describe(look) -> dict:
    """Every parameter of a look in plain numbers and words, without the long lists of weights."""

    def plain(value):
        if is_dataclass(value):
            return describe(value)
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: plain(value) for name, value in vars(look).items() if name != "weights"}


def frame(surface: Surface, template: Template) -> np.ndarray:
    """Similarity that puts the face where the crop of a photo would put it, judged by its bones. Shape (4, 4)."""
    vertices, _ = surface.body
    rest = template.rest[: template.body]
    chin = vertices[lowest_of_chin(rest)]
    eyes = surface.eye_centers.mean(0)
    width = np.ptp(vertices[template.masks["face"] > 0.5, 0])
    scale, shift = 5.6, np.zeros(3)

    def project(point):
        x, y, z = (point - surface.head_center) * scale + shift
        return np.array([256 + FOCAL_512 * x / (y + RADIUS), 256 - FOCAL_512 * z / (y + RADIUS)])

    for _ in range(6):
        top, low = project(eyes), project(chin)
        depth = RADIUS + (eyes - surface.head_center)[1] * scale
        size = BOX.height * np.linalg.norm(low - top) + BOX.width * width * FOCAL_512 * scale / depth
        scale *= FACE_SIZE / size
        x, y = top + BOX.down * (low - top) + (BOX.right, 0)
        depth = RADIUS + (eyes - surface.head_center)[1] * scale
        shift += np.array([FACE_CENTRE[0] - x, 0, y - FACE_CENTRE[1]]) / FOCAL_512 * depth
    to_world = np.eye(4)
    to_world[:3, :3] *= scale
    to_world[:3, 3] = shift - surface.head_center * scale
    return to_world


def lowest_of_chin(rest: np.ndarray) -> int:
    front = (np.abs(rest[:, 0]) < 0.004) & (rest[:, 1] < -0.1) & (rest[:, 2] > 0.60)
    return int(np.where(front, rest[:, 2], np.inf).argmin())
