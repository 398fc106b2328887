"""Stand-ins until hair, wear and light have landed."""

from types import SimpleNamespace

import numpy as np

from .scene import Light


def draw_hair_look(rng, identity, melanin):
    c = np.array([0.05, 0.03, 0.02])
    return SimpleNamespace(style="bald", color=c, name="brown", brow_color=c, grey=0.0, beard="none", lashes=0.6)


def grow_hair(surface, look, rng, identity, covered=None):
    return (), np.zeros(surface.template.body)


def beard_mask(template, kind, at="body"):
    return np.zeros(template.body if at == "body" else len(template.pool.rest))


def draw_wear_look(rng, identity, options):
    return SimpleNamespace()


def dress(surface, look, rng):
    return [], None, np.ones(surface.template.body)


def draw_light(rng):
    d = rng.normal(0, 1, (24, 3))
    return Light("ambient", d / np.linalg.norm(d, axis=1, keepdims=True), np.ones((24, 3)), np.zeros((0, 3)), np.zeros((0, 3)))
