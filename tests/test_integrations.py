"""The node for ComfyUI and the add-on for Blender, against stand-ins of their hosts."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
import types
from pathlib import Path

import pytest
import torch
from fakes import painted_head

from facelift.cameras import six_views
from facelift.gaussians import Gaussians
from facelift.head import Head

ROOT = Path(__file__).parents[1] / "integrations"


def loaded(path: Path):
    spec = importlib.util.spec_from_file_location(f"integration_{path.parent.name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comfyui_s_node_makes_a_head(tmp_path, monkeypatch):
    comfy = loaded(ROOT / "comfyui" / "__init__.py")
    asked = []

    def pipe(photo, seed, matting, face_index):
        asked.append((photo.size, seed, matting, face_index))
        views = torch.zeros(6, 16, 16, 3, dtype=torch.uint8).numpy()
        return Head(photo, views, six_views(16), painted_head(200), {"seconds": {}})

    monkeypatch.setattr(comfy.FaceLiftPipeline, "from_pretrained", lambda weights: pipe)
    node = comfy.NODE_CLASS_MAPPINGS["FaceLiftHead"]
    inputs = node.INPUT_TYPES()["required"]
    given = {name: kind[1]["default"] if len(kind) > 1 else kind[0] for name, kind in inputs.items()}
    given |= {"image": torch.rand(1, 40, 30, 3), "format": inputs["format"][0][0], "matting": "auto", "folder": str(tmp_path)}
    head, portrait, views, renders = getattr(node(), node.FUNCTION)(**given)
    assert asked == [((30, 40), 4, "auto", 0)] and len(Gaussians.load(head)) == 200
    assert portrait.shape == (1, 40, 30, 3) and views.shape == renders.shape == (6, 16, 16, 3) and renders.max() <= 1
    assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES) == 4


@pytest.fixture
def blender(monkeypatch):
    """The add-on, in a Blender that only notes what it is asked for."""
    bpy = types.ModuleType("bpy")
    bpy.imported, menus, classes = [], [], []
    bpy.types = types.SimpleNamespace(Operator=type("Operator", (), {}), TOPBAR_MT_file_import=menus)
    bpy.utils = types.SimpleNamespace(register_class=classes.append, unregister_class=classes.remove)

    def gltf(filepath: str):
        bpy.imported.append(Path(filepath).read_bytes())
        return {"FINISHED"}

    bpy.ops = types.SimpleNamespace(import_scene=types.SimpleNamespace(gltf=gltf))
    props, extras, io_utils = (types.ModuleType(name) for name in ("bpy.props", "bpy_extras", "bpy_extras.io_utils"))
    props.StringProperty = lambda **words: words.get("default")
    io_utils.ImportHelper = type("ImportHelper", (), {})
    for name, module in (("bpy", bpy), ("bpy.props", props), ("bpy_extras", extras), ("bpy_extras.io_utils", io_utils)):
        monkeypatch.setitem(sys.modules, name, module)
    addon = loaded(ROOT / "blender" / "facelift_import.py")
    addon.register()
    assert menus and classes == [addon.ImportFaceLiftHead]
    yield addon, bpy
    addon.unregister()
    assert not menus and not classes


def run(addon, path: Path, command: str = "facelift") -> tuple[set, list[str]]:
    told: list[str] = []
    operator = addon.ImportFaceLiftHead()
    operator.filepath, operator.command, operator.report = str(path), command, lambda kind, sentence: told.append(sentence)
    return operator.execute(None), told


@pytest.mark.skipif(os.name != "posix", reason="the stand-in of the command is a shell script")
def test_blender_s_add_on_imports_meshes_splats_and_photos(blender, tmp_path):
    addon, bpy = blender
    command = tmp_path / "facelift"
    command.write_text(
        '#!/bin/sh\nif [ "$1" = convert ]; then echo splat > "$3"\n'
        'elif [ "$3" ] && [ "${1##*/}" = me.jpg ]; then mkdir "$3/me"; echo photo > "$3/me/head.glb"\n'
        'else echo "error: No face was found." >&2; exit 1; fi\n'
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    for name in ("head.glb", "head.ply", "me.jpg", "wall.jpg"):
        (tmp_path / name).write_text("mesh\n")
    for name in ("head.glb", "head.ply", "me.jpg"):
        assert run(addon, tmp_path / name, str(command)) == ({"FINISHED"}, [])
    assert bpy.imported == [b"mesh\n", b"splat\n", b"photo\n"]
    assert run(addon, tmp_path / "wall.jpg", str(command)) == ({"CANCELLED"}, ["error: No face was found."])
    assert "is not found" in run(addon, tmp_path / "me.jpg", str(tmp_path / "gone"))[1][0]
    assert "is not a file" in run(addon, tmp_path / "nothing.glb")[1][0]
