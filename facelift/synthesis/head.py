"""One head, put together. Every part has its own generator, so a change in one does not redraw another."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace
from typing import NamedTuple

import numpy as np

from ..cameras import FOCAL_512, RADIUS
from ..portrait.crop import FACE_CENTRE, FACE_SIZE
from .clothing import ClothingAppearance, draw_clothing_appearance, dress
from .clothing.bust import rest_arms
from .expression import Expression, draw_expression
from .eyes import EyeAppearance, draw_eye_appearance, eye_meshes, lash_mesh, mouth_mesh
from .hair import HairAppearance, draw_hair_appearance, grow_hair
from .identity import Identity, draw_identity
from .light import draw_light
from .options import Options
from .scene import Light, Mesh, Scene, Surface
from .skin import SkinAppearance, draw_skin_appearance, skin_mesh
from .surface import draw_rotation, make_surface
from .template import Template, load_template

# streams of random numbers; a new part takes a new number
IDENTITY, EXPRESSION, POSE, SKIN, EYES, HAIR_APPEARANCE, HAIR, CLOTHING_APPEARANCE, CLOTHING, LIGHT = range(10)


class Box(NamedTuple):
    """The box that portrait.faces draws around a face, from its bones as the front camera sees them (fitted on 100 heads: size within 3.3 %
    RMS): size = height * (eyes to chin) + width * (width of the face); centre = eyes + down * (eyes to chin), and `right` pixels aside."""

    height: float = 0.435
    width: float = 0.736
    down: float = 0.185
    right: float = -1.36


BOX = Box()


@dataclass(frozen=True)
class HeadParameters:
    """Everything that is drawn at random of one head. `dataclasses.replace` a part of it to have it otherwise."""

    seed: int
    appearance: int
    identity: Identity
    expression: Expression
    skin: SkinAppearance
    eyes: EyeAppearance
    hair: HairAppearance
    clothing: ClothingAppearance
    light: Light

    def stream(self, part: int) -> np.random.Generator:
        return stream(self.seed, self.appearance, part)


def stream(seed: int, appearance: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, part] if part == IDENTITY else [seed, part, appearance])


def make_head(seed: int, appearance: int = 0, options: Options | None = None, light: str | None = None) -> Scene:
    """The head of this seed. Another appearance is the same person with other hair, skin, expression, pose, clothes and light.

    light: of `light.MODES` instead of a drawn one.
    """
    return build_head(draw_parameters(seed, appearance, options, light))


def draw_parameters(seed: int, appearance: int = 0, options: Options | None = None, light: str | None = None) -> HeadParameters:
    template = load_template()
    rngs = [stream(seed, appearance, part) for part in range(LIGHT + 1)]
    identity = draw_identity(rngs[IDENTITY], template)
    expression = draw_expression(rngs[EXPRESSION], template, draw_rotation(rngs[POSE]))
    skin = draw_skin_appearance(rngs[SKIN], identity)
    eyes = draw_eye_appearance(rngs[EYES], skin.melanin, identity.old)
    hair = draw_hair_appearance(rngs[HAIR_APPEARANCE], identity, skin.melanin)
    clothing = draw_clothing_appearance(rngs[CLOTHING_APPEARANCE], identity, options or Options())
    return HeadParameters(seed, appearance, identity, expression, skin, eyes, hair, clothing, draw_light(rngs[LIGHT], light))


def build_head(parameters: HeadParameters) -> Scene:
    """Grows, dresses and frames what was drawn; the seed still decides every single strand and fold."""
    template = load_template()
    surface = rest_arms(make_surface(template, parameters.identity, parameters.expression, parameters.stream(POSE)))
    garments, covered, bare = dress(surface, parameters.clothing, parameters.stream(CLOTHING), parameters.skin.color)
    strands, scalp = grow_hair(surface, parameters.hair, parameters.stream(HAIR), parameters.identity, covered)
    body = uncovered(skin_mesh(surface, parameters.identity, parameters.skin, parameters.hair, scalp), bare)
    eyes = eye_meshes(surface, parameters.expression, parameters.eyes)
    meshes = (body, *eyes, mouth_mesh(surface, parameters.eyes), lash_mesh(surface, parameters.hair.lashes), *garments)
    parts = {name: describe(getattr(parameters, name)) for name in ("identity", "expression", "skin", "eyes", "hair", "clothing")}
    meta = dict(seed=parameters.seed, appearance=parameters.appearance, light=parameters.light.mode, **parts)
    return Scene(surface, meshes, strands, parameters.light, frame(surface, template), meta)


def uncovered(body: Mesh, bare: np.ndarray) -> Mesh:
    """The body without what lies under clothes. bare: Shape (B,)."""
    return replace(body, triangles=body.triangles[(bare[body.triangles] > 0.5).any(1)])


def describe(part) -> dict:
    """Every parameter of a part in plain numbers and words, without the long lists of weights."""

    def plain(value):
        if is_dataclass(value):
            return describe(value)
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: plain(value) for name, value in vars(part).items() if name != "weights"}


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
