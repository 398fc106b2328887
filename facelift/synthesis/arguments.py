"""The words of `facelift synthesize`, read without importing what renders."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..choices import HEADS_PER_SHARD, KINDS, LIGHTS, RENDERERS, RIG_WORDS, SPLITS


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="facelift synthesize", description="Render synthetic heads with exact cameras.")
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument("--heads", type=int, default=100, metavar="N")
    p.add_argument("--views", metavar="RIG", help=f"{RIG_WORDS}; joined with + (default: six, for shards six+near4)")
    p.add_argument("--size", type=int, help="pixels a side (default: 512, for shards 256)")
    p.add_argument("--seed", type=int, default=0, help="first identity, counted within the split (default: 0)")
    p.add_argument("--split", choices=SPLITS, default="train", help="held-out: identities that training never sees")
    p.add_argument("--only", choices=KINDS, help="short-grey: short grey, white or blond hair and no hat; takes the first N of them")
    p.add_argument("--appearances", type=int, default=1, metavar="K", help="of each person: hair, skin, expression, clothes, light")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="processes (default: half of the processors)")
    p.add_argument("--format", choices=("heads", "shards"), default="heads", help=f"a folder a head, or {HEADS_PER_SHARD} heads a shard")
    p.add_argument("--picture", choices=("webp", "png"), default="webp", help="straight alpha, lossless (default: webp)")
    p.add_argument("--depth", action="store_true", help="16-bit PNG of z-depth in steps of 0.0001, 0 is empty")
    p.add_argument("--normals", action="store_true", help="PNG of world normals, 128 is 0")
    p.add_argument("--classes", action="store_true", help="what each pixel shows: 0 nothing, 1 skin, 2 hair, 3 what is worn; opengl alone")
    p.add_argument("--supersample", type=int, default=2, help="samples a pixel and side (default: 2)")
    p.add_argument("--jitter", type=float, metavar="X", help="heads stand off the perfect crop, 1 as photos differ (default: 0, shards 1)")
    p.add_argument("--exact", action="store_true", help="every hair in every view, slower; else small and far ones are thinned out")
    p.add_argument("--renderer", choices=RENDERERS, default="opengl", help="cycles: path tracing by Blender's package bpy, far slower")
    p.add_argument("--samples", type=int, default=64, help="paths a pixel, of cycles alone (default: 64)")
    p.add_argument("--light", choices=LIGHTS, help="of all heads (default: drawn for each)")
    p.add_argument("--paper", action="store_true", help="no glasses, hats, scarves or earrings")
    return p
