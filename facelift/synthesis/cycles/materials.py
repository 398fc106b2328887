"""A Cycles material for each kind of mesh and for hair. Colours, gloss and roughness come as attributes of the geometry; patterns and
what is finer than a vertex are functions of its rest coordinates, as in shaders/."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np

from ...arrays import smoothstep
from ..scene import Mesh
from .nodes import Graph, Value

SCATTER = np.array([3.67, 1.37, 0.68]) * 1e-3  # metres light travels in pale skin, Jensen et al. 2001
EYE_TEXELS, LASH_TEXELS = 512, (128, 1024)


def material(mesh: Mesh, defaults: dict, scale: float):
    """defaults: of the parameters. scale: world units a metre."""
    made = bpy.data.materials.new(mesh.kind)
    MATERIALS[mesh.kind](Graph(made), {**defaults, **mesh.parameters}, scale)
    return made


def skin(g: Graph, p: dict, scale: float) -> None:
    rest, (roots, face, _) = g.attribute("rest", "Vector"), g.attribute("extra", "Vector").xyz
    coarse, middle, fine = (g.noise(rest, k) for k in (30.0, 110.0, 420.0))
    color = g.attribute("albedo")
    pale = (0.3 + 0.7 * p["blotches"]) * (1 - 0.6 * p["melanin"])
    color = g.mix(
        (coarse - 0.5) * (1.2 * pale) + 0.5, g.mix(1.0, color, g.color(0.97, 1.1, 1.1), "MULTIPLY"), mul(g, color, 1.02, 0.88, 0.87)
    )
    color = g.mix((middle - 0.5) * 1.0 + 0.5, mul(g, color, 1.04, 1.06, 1.06), mul(g, color, 0.95, 0.92, 0.91))
    if p["freckles"]:
        there = (fine * 0.4 + middle * 0.6).smoothstep(0.56, 0.62) * face * p["freckles"]
        color = g.mix(there, color, mul(g, color, 0.74, 0.58, 0.46))
    if p["spots"]:
        there = (middle * 0.6 + coarse * 0.4).smoothstep(0.60, 0.65) * (0.8 * p["spots"])
        color = g.mix(there, color, mul(g, color, 0.74, 0.62, 0.52))
    for *place, radius in np.asarray(p["moles"])[: p["marks"]].tolist():
        there = (rest.distance(place) + (fine - 0.5) * radius).smoothstep(radius, 0.6 * radius)
        color = g.mix(there, color, mul(g, color, 0.34, 0.24, 0.20))
    color = g.mix(roots * (1 - fine.smoothstep(0.45, 0.6)), color, mul(g, color, 0.6, 0.6, 0.6))
    pores = g.node("ShaderNodeTexVoronoi", rest, 900.0) * 0.6 + fine * 0.5 + middle * 0.3
    wrinkles = g.noise(rest, 70.0, 6.0) * float(p["age"])
    normal = g.bump(pores * float(p["bump"]) + wrinkles * 2.0, 0.0004 * scale, 0.5)
    shine = g.attribute("gloss", "Fac")
    g.output(
        g.shader(
            "ShaderNodeBsdfPrincipled",
            Base_Color=color,
            Roughness=g.attribute("roughness", "Fac") * 0.43,
            Specular_IOR_Level=shine * 0.42,
            Subsurface_Weight=1.0 - 0.55 * float(p["melanin"]),
            Subsurface_Radius=(SCATTER / SCATTER[0]).tolist(),
            Subsurface_Scale=0.4 * SCATTER[0] * scale,
            Coat_Weight=shine * 0.06,
            Coat_Roughness=0.28,
            Normal=normal,
        )
    )


def mul(g: Graph, color: Value, *factors: float) -> Value:
    return g.mix(1.0, color, g.color(*factors), "MULTIPLY")


def eye(g: Graph, p: dict, scale: float) -> None:
    """`rest` is the direction in the eyeball's frame; the picture of the iris is laid on it as seen from the front."""
    x, y, z = g.attribute("rest", "Vector").xyz
    away = y.math("MULTIPLY", -1.0).math("ARCCOSINE") * (1 / np.pi)  # 0 at the gaze, 1 behind
    around = x.graph.node("ShaderNodeMath", z, x, operation="ARCTAN2")
    across, up = (away * around.math(f) * 0.5 + 0.5 for f in ("COSINE", "SINE"))
    place = g.node("ShaderNodeCombineXYZ", across, up, 0.0)
    picture = texture(g, place, "iris", iris_picture(p["iris"], p["iris_angle"], p["pupil_angle"]))
    color = g.mix(picture[1], g.attribute("albedo"), picture[0])
    g.output(g.shader("ShaderNodeBsdfPrincipled", Base_Color=color, Roughness=0.3, Coat_Weight=1.0, Coat_Roughness=0.02, IOR=1.376))


def iris_picture(iris, iris_angle: float, pupil_angle: float, n: int = EYE_TEXELS) -> np.ndarray:
    """Iris and pupil over all directions: distance from the middle is the angle from the gaze, half the picture is 180 degrees.

    Linear RGB and how much it hides of the white. Shape (n, n, 4), from below up.
    """
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) / n * 2 - 1] * 2)
    angle, turn = np.hypot(x, y) * 180, np.arctan2(y, x)
    rng = np.random.default_rng(5)
    waves = (np.sin(turn * k + rng.uniform(0, 6.3) + angle * rng.normal(0, 0.05)) for k in (23, 37, 61, 97))
    rays = sum(waves, np.zeros_like(turn)) / 8 + 0.5
    color = np.asarray(iris) * (0.5 + 0.9 * rays)[..., None]
    color = color * (1 - 0.75 * smoothstep(iris_angle * 0.78, iris_angle, angle))[..., None]
    color = color * smoothstep(pupil_angle - 0.8, pupil_angle + 0.8, angle)[..., None] + 0.004
    return np.concatenate([color, smoothstep(iris_angle + 1.2, iris_angle - 1.2, angle)[..., None]], 2)


def texture(g: Graph, place: Value, name: str, pixels: np.ndarray) -> tuple[Value, Value]:
    """Colour and alpha of a picture (H, W, 4), rows from below up, at places 0..1."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(np.ascontiguousarray(pixels, np.float32).ravel())
    node = g.make("ShaderNodeTexImage", (place,), image=image, extension="EXTEND")
    return Value(g, node.outputs["Color"]), Value(g, node.outputs["Alpha"])


def mouth(g: Graph, p: dict, scale: float) -> None:
    x, y, _ = g.attribute("rest", "Vector").xyz
    is_tooth, _, _ = g.attribute("extra", "Vector").xyz
    gap = ((x.atan2(-0.098 - y) * 5.2).fract() - 0.5).abs().smoothstep(0.40, 0.49)
    color = g.mix(gap * is_tooth * 0.45, g.attribute("albedo"), g.color(0, 0, 0))
    g.output(
        g.shader("ShaderNodeBsdfPrincipled", Base_Color=color, Roughness=0.35, Coat_Weight=0.6, Coat_Roughness=0.1, Subsurface_Weight=0.3,
                 Subsurface_Radius=(1.0, 0.6, 0.5), Subsurface_Scale=0.001 * scale)
    )  # fmt: skip


def lash(g: Graph, p: dict, scale: float) -> None:
    """`rest`: across, along, upper; the picture has the lower lid's lashes on the left."""
    across, along, upper = g.attribute("rest", "Vector").xyz
    place = g.node("ShaderNodeCombineXYZ", (across.math("MINIMUM", 0.998).max(0.002) + upper) * 0.5, along, 0.0)
    _, there = texture(g, place, "lashes", lash_picture(p["length"]))
    hair = g.shader("ShaderNodeBsdfPrincipled", Base_Color=g.attribute("albedo"), Roughness=0.5)
    g.output(g.mixed(there > 0.5, g.node("ShaderNodeBsdfTransparent"), hair))


def lash_picture(length: float) -> np.ndarray:
    """Which parts of the lash strips are hair, as lash.frag.glsl has it. Shape (*LASH_TEXELS, 4)."""
    rows, columns = LASH_TEXELS
    t, u = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    upper, u = u > 0.5, u * 2 % 1
    lean = u * np.where(upper, 46.0, 30.0) + (u - 0.35) * 5 * t
    hair = np.floor(lean)
    ends = np.clip(u / 0.25, 0, 1) * np.clip((1 - u) / 0.07, 0, 1)
    tip = np.where(upper, length, 0.5 * length) * (0.65 + 0.35 * np.sin(hair * 7.3) * np.sin(hair * 2.9)) * ends
    aside = np.abs(lean % 1 - 0.5) * 2
    rim = np.where(upper, 0.14 + 0.14 * length, 0.0) * ends
    there = (t <= rim) | ((t <= tip) & (aside <= 0.6 * (1 - t / np.maximum(tip, 1e-6)) + 0.1))
    return np.repeat(there[..., None], 4, 2)


def cloth(g: Graph, p: dict, scale: float) -> None:
    rest = g.attribute("rest", "Vector")
    color, amount = g.attribute("albedo"), pattern(g, rest, int(p["pattern"]), float(p["pattern_scale"]))
    if amount is not None:
        color = g.mix(amount * float(p["contrast"]), color, g.color(*p["second_color"]))
    threads = g.noise(rest, 60.0)
    color = g.mix(threads, mul(g, color, 0.86, 0.86, 0.86), mul(g, color, 1.1, 1.1, 1.1))
    yarn = g.noise(rest, 900.0, 1.0) * 0.6 + threads
    silk = g.attribute("gloss", "Fac")
    g.output(
        g.shader(
            "ShaderNodeBsdfPrincipled",
            Base_Color=color,
            Roughness=0.9 - silk * 1.3,
            Specular_IOR_Level=silk,
            Sheen_Weight=0.15,
            Sheen_Roughness=0.5,
            Sheen_Tint=color,
            Normal=g.bump(yarn, 0.002 * scale * float(p["weave"]), 0.4),
        )
    )


def pattern(g: Graph, rest: Value, number: int, k: float) -> Value | None:
    """Share of the second colour; numbers as in cloth.frag.glsl."""
    x, y, z = rest.xyz
    around = x.atan2(-0.02 - y) * 0.12
    if number == 1:
        return (z * k).fract() > 0.5
    if number == 2:
        return (around * k).fract() > 0.5
    if number == 3:
        return ((z * k).fract() > 0.6) * 0.5 + ((x * k).fract() > 0.6) * 0.5
    if number == 4:
        return g.noise(rest, 0.3 * k).smoothstep(0.54, 0.58)
    if number == 5:
        ribs = ((around * (4 * k)).fract() - 0.5).abs() * 2
        return ribs * ribs
    if number == 6:
        return ((around + z) * 2200.0).sin() * 0.25 + 0.5
    if number == 7:
        return g.noise(rest, 90.0).smoothstep(0.4, 0.6)
    return None


def solid(g: Graph, p: dict, scale: float) -> None:
    """Roughness from the exponent of the shader's highlight: alpha = sqrt(2 / (n + 2)), and Cycles takes its root."""
    rough = g.attribute("roughness", "Fac")
    root = (rough * rough * 0.0222).math("POWER", 0.25)
    inputs = dict(
        Base_Color=g.attribute("albedo"), Metallic=float(p["metal"]), Roughness=root, Specular_IOR_Level=g.attribute("gloss", "Fac") * 0.5
    )
    if p["weave"]:
        inputs["Normal"] = g.bump(g.noise(g.attribute("rest", "Vector"), 120.0), 0.003 * scale * float(p["weave"]))
    g.output(g.shader("ShaderNodeBsdfPrincipled", **inputs))


def lens(g: Graph, p: dict, scale: float) -> None:
    """Thin glass: tinted, reflecting a little more at its edges; neither bends light nor hides depth."""
    tint = g.shader("ShaderNodeBsdfDiffuse", Color=g.attribute("albedo"))
    body = g.mixed(float(p["opacity"]), g.node("ShaderNodeBsdfTransparent"), tint)
    shine = g.shader("ShaderNodeBsdfGlossy", Color=g.color(*p["coating"]), Roughness=0.02)
    edge = Value(g, g.make("ShaderNodeLayerWeight", (0.35,)).outputs["Fresnel"])
    g.output(g.mixed(edge * (1 - p["reflectance"]) * 0.3 + float(p["reflectance"]), body, shine))


def hair(scale: float):
    """The colour is that of many hairs together, from which Cycles finds what a single one absorbs."""
    made = bpy.data.materials.new("hair")
    g = Graph(made)
    g.output(g.shader("ShaderNodeBsdfHairPrincipled", Color=g.attribute("albedo"), Roughness=0.32, Radial_Roughness=0.4, Coat=0.0))
    return made


MATERIALS: dict[str, Callable[[Graph, dict, float], None]] = {
    f.__name__: f for f in (skin, eye, mouth, lash, cloth, solid, lens)
}  # fmt: skip
