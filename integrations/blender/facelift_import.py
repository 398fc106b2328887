"""Blender add-on: File > Import > FaceLift head. Meshes and heads with face units (.glb) at once, photos and splats through `facelift`."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ImportHelper

bl_info = {
    "name": "FaceLift head", "author": "FaceLift", "version": (0, 1, 0), "blender": (4, 2, 0), "category": "Import-Export",
    "location": "File > Import > FaceLift head", "description": "A head made by FaceLift, or made now from one photo",
}  # fmt: skip
MESHES, SPLATS = (".glb", ".gltf"), (".ply", ".spz", ".sog", ".splat")


class Refused(Exception):
    """What cannot be imported; the message is for the user."""


def mesh_of(path: Path, folder: Path, command: str = "facelift") -> Path:
    """A .glb of a mesh, a splat file or a photo, in `folder` where it has to be made. Raises Refused."""
    if not path.is_file():
        raise Refused(f"{path.name} is not a file.")
    if path.suffix.lower() in MESHES:
        return path
    program = shutil.which(command)
    if program is None:
        raise Refused(f"The command {command} is not found: install FaceLift, or name its command in the file dialog.")
    if path.suffix.lower() in SPLATS:
        words, made = ["convert", str(path), str(folder / "head.glb")], folder / "head.glb"
    else:
        words, made = [str(path), "-o", str(folder), "--formats", "ply", "glb", "--no-turntable"], folder / path.stem / "head.glb"
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode or not made.is_file():
        raise Refused((done.stderr.strip().splitlines() or ["FaceLift made no mesh."])[-1])
    return made


class ImportFaceLiftHead(bpy.types.Operator, ImportHelper):
    bl_idname = "import_scene.facelift_head"
    bl_label = "Import FaceLift head"
    bl_options = {"UNDO"}
    filter_glob: StringProperty(default="*.glb;*.gltf;*.ply;*.spz;*.sog;*.splat;*.jpg;*.jpeg;*.png;*.webp;*.heic", options={"HIDDEN"})
    command: StringProperty(name="Command", default="facelift", description="facelift, or its full path")

    def execute(self, context):
        with tempfile.TemporaryDirectory() as folder:
            try:
                mesh = mesh_of(Path(self.filepath), Path(folder), self.command)
            except Refused as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            return bpy.ops.import_scene.gltf(filepath=str(mesh))


def menu(self, context):
    self.layout.operator(ImportFaceLiftHead.bl_idname, text="FaceLift head")


def register():
    bpy.utils.register_class(ImportFaceLiftHead)
    bpy.types.TOPBAR_MT_file_import.append(menu)


def unregister():
    bpy.types.TOPBAR_MT_file_import.remove(menu)
    bpy.utils.unregister_class(ImportFaceLiftHead)
