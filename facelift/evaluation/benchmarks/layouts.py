"""Readers of foreign data sets of posed pictures.

Each is given the folder that the user has, and says in one sentence where to get it and which files it needs.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...resources import resource
from ..results import LeftOut
from ..rig import midpoint
from .base import BadItem
from .files import entry, masked, member, open_picture, pose, read_json, with_suffix
from .layout import Layout, PosedCase, PosedView, assemble, look_at_cameras, only_one

SPLITS = resource("assets/benchmarks")


class Cafca(Layout):
    """SUBJECT/00000_000/{color_image, foreground_mask, cameras_json}/C00.*, maybe in folders of a hundred subjects each."""

    title = "the Cafca data set"
    published = ("facelift_table1_cafca", "facelift_table3_cafca_mesh", "facelift_table4_ablation")
    needs = (
        "get the subjects of assets/benchmarks/cafca_split.csv from https://github.com/syntec-research/Cafca (Dataset.md) and name the"
        " folder that holds 00000/00000_000/ with color_image/, foreground_mask/ and cameras_json/."
    )

    def find(self) -> list[str]:
        self.split, self.homes = {r["identity"]: r for r in read_split("cafca_split.csv")}, {}
        for subject in self.split:
            homes = [h for h in (self.folder / subject, *sorted(self.folder.glob(f"*/{subject}"))) if (h / "00000_000").is_dir()]
            homes, others = only_one(homes, subject)
            self.missing += others
            if homes:
                self.homes[subject] = homes[0] / "00000_000"
            else:
                self.missing.append(LeftOut(subject, f"{subject}/00000_000 is not in {self.folder}"))
        return list(self.homes)

    def load(self, name: str) -> PosedCase:
        row = self.split[name]
        view, *tests = (f"C{v}" for v in (row["input_view"], *row["test_views"].split()))
        return assemble(lambda v: self.view(name, v), view, tests, lambda _: np.zeros(3))

    def view(self, subject: str, camera: str) -> PosedView:
        home = self.homes[subject]
        path = home / "cameras_json" / f"{camera}.json"
        data = read_json(path)
        matrix = data.get("cam2world") if isinstance(data, dict) else None
        c2w = pose(matrix, path) if matrix is not None else np.linalg.inv(pose(entry(data, "world2cam", path), path))
        file, mask = (home / part / f"{camera}.png" for part in ("color_image", "foreground_mask"))
        return PosedView(camera, c2w, lambda: masked(open_picture(file), open_picture(mask), mask), file)


class Ava256(Layout):
    """m--DATE--TIME--ID--GHS/decoder/{camera_calibration.json, image/camXXX(.zip), segmentation_parts/camXXX(.zip)}."""

    title = "the Ava-256 data set"
    published = ("facelift_table2_ava256",)
    needs = (
        "get the captures of assets/benchmarks/ava256_split.csv with download.py of https://github.com/facebookresearch/ava-256 and name"
        " the folder that holds m--20210810--1306--FXN596--GHS/decoder/ with camera_calibration.json, image/ and segmentation_parts/."
    )
    chair = 3  # class of the segmentation that is no part of the person; 0 is background

    def find(self) -> list[str]:
        self.split, self.homes = {r["identity"]: r for r in read_split("ava256_split.csv")}, {}
        folders = [p for p in sorted(self.folder.glob("*")) if (p / "decoder").is_dir()]
        for identity in self.split:
            homes = [p for p in folders if re.sub("-+", "-", re.sub("^m--|--GHS$", "", p.name)) == identity]
            homes, others = only_one(homes, identity)
            self.missing += others
            if homes:
                self.homes[identity] = homes[0] / "decoder"
            else:
                self.missing.append(LeftOut(identity, f"no folder of this capture with decoder/ in {self.folder}"))
        return list(self.homes)

    def load(self, name: str) -> PosedCase:
        row, home = self.split[name], self.homes[name]
        path = home / "camera_calibration.json"
        cameras, broken, listed = {}, {}, entry(read_json(path), "KRT", path)
        if not isinstance(listed, list):
            raise BadItem(f"{path} has no list KRT of cameras")
        for item in listed:
            camera = str(entry(item, "cameraId", path)).removeprefix("cam")
            try:
                cameras[camera] = np.linalg.inv(pose(entry(item, "T", path), path, transposed=True))
            except BadItem as error:
                broken[camera] = str(error)

        def view(camera: str) -> PosedView:
            if camera not in cameras:
                raise BadItem(broken.get(camera, f"{path} has no camera {camera}"))
            file = home / "image" / f"cam{camera}" / row["frame"]
            return PosedView(camera, cameras[camera], lambda: self.picture(home, camera, row["frame"]), file)

        centre = midpoint(np.stack(list(cameras.values()))) if cameras else np.zeros(3)
        return assemble(view, row["input_camera"], row["test_cameras"].split(), lambda _: centre)

    def picture(self, home: Path, camera: str, frame: str) -> Image.Image:
        picture, _ = member(home / "image" / f"cam{camera}", frame, (".avif", ".png", ".jpg"))
        parts, where = member(home / "segmentation_parts" / f"cam{camera}", frame, (".png",))
        classes = np.array(parts)
        if classes.ndim != 2:
            raise BadItem(f"{where} is no picture of classes: it has {classes.shape[2]} channels")
        person = (classes != 0) & (classes != self.chair)
        return masked(picture, Image.fromarray((person * 255).astype(np.uint8)), where)


class FaceScape(Layout):
    """ID/EXPRESSION/{params.json, 0.jpg, 1.jpg, ...}, or with ID/EXPRESSION.json; the neutral expression where there is one."""

    title = "FaceScape's multi-view pictures"
    published = ("gen3d_face_table2_facescape",)
    needs = (
        "ask for them at https://facescape.nju.edu.cn and name the folder that holds 1/1_neutral/ with params.json and 0.jpg, 1.jpg, ..."
        " (the 36 test identities of Gen3D-Face are those of Morphable Diffusion's split; put only these in the folder)."
    )

    def find(self) -> list[str]:
        self.homes: dict[str, tuple[Path, Path]] = {}
        for person in sorted(self.folder.glob("*"), key=lambda p: (len(p.name), p.name)):
            for home in sorted(p for p in person.glob("*") if p.is_dir()):
                parameters = [p for p in (home / "params.json", home.with_suffix(".json")) if p.is_file()]
                if parameters and (person.name not in self.homes or home.name == "1_neutral"):
                    self.homes[person.name] = home, parameters[0]
            if person.is_dir() and person.name not in self.homes:
                self.missing.append(LeftOut(person.name, f"{person} has no expression with pictures and params.json"))
        return list(self.homes)

    def load(self, name: str) -> PosedCase:
        home, path = self.homes[name]
        data = read_json(path)
        if not isinstance(data, dict):
            raise BadItem(f"{path} has no cameras")
        numbers = sorted(int(k.removesuffix("_Rt")) for k in data if re.fullmatch(r"\d+_Rt", k))
        usable = [str(n) for n in numbers if data.get(f"{n}_valid", True)]

        def view(number: str) -> PosedView:
            c2w = np.linalg.inv(pose(entry(data, f"{number}_Rt", path), path))
            return PosedView(number, c2w, lambda: open_picture(home / f"{number}.jpg"), home / f"{number}.jpg")

        front = self.input_view or frontmost(view, usable, path)
        return assemble(view, front, [n for n in usable if n != front], look_at_cameras)


class PosedFolder(Layout):
    """Pictures with cameras in one file: transforms.json (NeRF's), or cameras.json of `python -m facelift.synthesis`."""

    title = "posed pictures"
    needs = (
        "it needs a folder for each head (or is one itself) with transforms.json as NeRF code writes it (frames with file_path and"
        ' transform_matrix; "input" may name the frame to start from, else it is the first), or heads of python -m facelift.synthesis.'
    )
    files = ("transforms.json", "cameras.json")

    def find(self) -> list[str]:
        folders = [self.folder, *sorted(p for p in self.folder.glob("*") if p.is_dir())]
        alone = any((self.folder / f).is_file() for f in self.files)  # then other folders hold its pictures, or what they like
        self.homes: dict[str, Path] = {}
        for folder in folders:
            files = [folder / f for f in self.files if (folder / f).is_file()]
            if files and folder.name not in self.homes:
                self.homes[folder.name] = files[0]
            elif files or not alone and folder != self.folder:
                taken = f"has the name of {self.homes[folder.name].parent}" if files else f"has neither {' nor '.join(self.files)}"
                self.missing.append(LeftOut(folder.name, f"{folder} {taken}"))
        return list(self.homes)

    def load(self, name: str) -> PosedCase:
        path = self.homes[name]
        data = read_json(path)
        if path.name == "cameras.json":
            if not isinstance(data, list) or not data:
                raise BadItem(f"{path} lists no cameras")
            poses = {f"{i:03d}": entry(camera, "c2w", path) for i, camera in enumerate(data)}
            pictures = {k: with_suffix(path.with_name(k), (".webp", ".png")) for k in poses}
            first, centre, axes = "000", np.zeros(3), np.eye(4)
        else:
            frames = entry(data, "frames", path)
            if not isinstance(frames, list) or not frames:
                raise BadItem(f"{path} lists no frames")
            places = [Path(str(entry(f, "file_path", path))) for f in frames]
            stems = [p.stem for p in places]
            names = [p.stem if stems.count(p.stem) == 1 else p.with_suffix("").as_posix() for p in places]
            pictures = {k: with_suffix(path.parent / p, (".png",)) for k, p in zip(names, places, strict=True)}
            poses = {k: f.get("transform_matrix") for k, f in zip(names, frames, strict=True)}
            wanted = Path(str(data.get("input", places[0])))
            first = wanted.stem if wanted.stem in poses else wanted.with_suffix("").as_posix()
            centre = data.get("centre")
            if centre is not None and not is_point(centre):
                raise BadItem(f"{path} has a centre that is no point of three numbers")
            axes = np.diag([1.0, -1, -1, 1])  # from OpenGL's

        def view(key: str) -> PosedView:
            if key not in poses:
                raise BadItem(f"{path} has no view {key}")
            return PosedView(key, pose(poses[key], path) @ axes, lambda: open_picture(pictures[key]), pictures[key])

        front = self.input_view or first
        find_centre = look_at_cameras if centre is None else lambda _: np.asarray(centre, np.float64)
        return assemble(view, front, [k for k in poses if k != front], find_centre)


LAYOUTS: dict[str, type[Layout]] = {"cafca": Cafca, "ava256": Ava256, "facescape": FaceScape, "posed": PosedFolder}


def frontmost(view: Callable[[str], PosedView], names: Sequence[str], path: Path) -> str:
    """The camera nearest to the mean direction of a rig that stands in front of the face; broken ones do not count."""
    views = []
    for name in names:
        with contextlib.suppress(BadItem):
            views.append(view(name))
    if not views:
        raise BadItem(f"{path} has no valid view")
    places = np.stack([v.c2w[:3, 3] for v in views]) - look_at_cameras(views)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return views[int((places @ places.mean(0)).argmax())].name


def is_point(values) -> bool:
    try:
        values = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return False
    return values.shape == (3,) and bool(np.isfinite(values).all())


def read_split(name: str) -> list[dict[str, str]]:
    with (SPLITS / name).open(newline="") as file:
        return list(csv.DictReader(file))
