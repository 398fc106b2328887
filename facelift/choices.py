"""Words that command lines offer, apart from the modules that give them meaning: --help need not wait for those."""

from __future__ import annotations

RIGS = ("six", "four", "eight", "raised")  # of `cameras.RIGS`
ATTENTIONS = ("sparse", "dense", "none")  # across views, of `multiview.attention`
PRESETS = ("exact", "fast")  # of `multiview.sampling`
MATTINGS = ("auto", "alpha", "rembg", "u2netp", "mediapipe", "none")  # of `portrait.MATTINGS`
SPLATS = ("ply", "splat", "spz", "sog", "compressed.ply")  # of `export.splats.FORMATS`
MESHES = ("glb", "obj")  # of `export.mesh`
UPS = ("auto", "z", "y", "-y", "-z")  # auto, or of `gaussians.UP`
SPZ_VERSIONS = (2, 3, 4)  # of `export.spz`
LIGHTS = ("ambient", "environment", "studio")  # of `synthesis.light`
RENDERERS = ("opengl", "cycles")  # of `synthesis.sampler`
RIG_WORDS = (
    "six, four, eight, raised (each adds what is not there yet), randomN (all around, elevation -30..60, radius 2.4..3.0),"
    " nearN (half of them within 75 degrees of the front)"
)  # of `synthesis.rigs`
HEADS_PER_SHARD = 16  # of `synthesis.dataset`
SPLITS = ("train", "held-out")  # of `synthesis.sampler.SPLITS`
KINDS = ("short-grey",)  # of `synthesis.sampler.KINDS`
BENCHMARKS = ("ava256", "cafca", "facescape", "ffhq", "photos", "posed", "synthetic")  # of `evaluation.benchmarks`
CLIP_FPS, CLIP_SECONDS = 12.0, 10.0  # of `video.frames`
METHODS = ("rig", "deform", "frames")  # of `video.methods`
