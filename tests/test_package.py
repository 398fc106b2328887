"""What `pip install .` installs, where its files are found, and what is written whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from facelift import files, resources
from facelift.errors import ResourceError, WeightsError
from facelift.resources import installed_version, resource

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


# --- one list of packages ----------------------------------------------------------------------------------------------------------------


def listed(name: str, follow: bool = False) -> dict[str, str]:
    """Package -> pinned version of a requirements file; follow: also of those it includes."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement.startswith("-r "):
            found |= listed(requirement.removeprefix("-r "), follow) if follow else {}
        elif requirement:
            package, _, version = requirement.partition("==")
            found[package.lower()] = version
    return found


def bounds(requirements: list[str]) -> dict[str, str]:
    split = (re.fullmatch(r"([\w.-]+)>=([\w.]+)(,<\d+)?", r) for r in requirements if not r.startswith(PROJECT["name"]))
    return {match[1].lower(): match[2] for match in split}


@pytest.mark.parametrize("extra", [None, "train", "eval", "cycles", "dev"])
def test_project_and_pinned_lists_name_the_same_packages(extra):
    asked = bounds(PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"])
    pinned = listed(f"requirements-{extra}.txt" if extra else "requirements.txt")
    assert asked.keys() == pinned.keys()

    def parts(version: str) -> list[int]:
        return [int(n) for n in re.findall(r"\d+", version)]

    assert all(parts(asked[package]) <= parts(pinned[package]) for package in asked)


# --- what is installed -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package as a wheel holds it, of a copy of what it is built from."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "facelift", source / "facelift", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("assets", "weights"):
        shutil.copytree(ROOT / name, source / name, copy_function=os.link if os.name == "posix" else shutil.copy)
    subprocess.run([sys.executable, "setup.py", "-q", "build_py", "--build-lib", out], cwd=source, check=True, capture_output=True)
    return out


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-cpu.lock"])
def test_locks_hold_every_pin_with_its_hashes(lock):
    """`deploy/lock.sh` was run after the last change of requirements.txt."""
    entries = re.findall(r"^(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", (ROOT / "deploy" / lock).read_text(), re.MULTILINE)
    locked = {name: version for name, version, _ in entries}
    pins = listed("requirements.txt")
    if lock == "requirements-cpu.lock":
        assert pins.pop("torch") and "torch" not in locked
    assert pins.items() <= locked.items()


def test_the_bill_of_materials_lists_what_is_locked():
    bill = json.loads((ROOT / "deploy" / "sbom.json").read_text())
    listed = {re.sub("[-_.]+", "-", part["name"]).lower(): part["version"] for part in bill["components"]}
    locked = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "deploy" / "requirements-cpu.lock").read_text(), re.MULTILINE))
    assert locked.items() <= listed.items()


def test_everything_the_code_reads_is_installed(installed):
    def all_in(folder: Path) -> set[str]:
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.suffix != ".md"}

    inside = {name for name in all_in(installed / "facelift") if not name.startswith("share/")}
    assert inside == all_in(ROOT / "facelift")
    share = installed / "facelift" / "share"
    assert all_in(share / "weights") == all_in(ROOT / "weights")
    assert all_in(share / "assets") == {name for name in all_in(ROOT / "assets") if not name.startswith("docs/")}


def test_installed_files_are_found_without_the_clone(installed, tmp_path):
    code = "from facelift.resources import resource; print(resource('assets/viewer'), resource('weights/mediapipe'), sep='\\n')"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(installed / "facelift/share" / name) for name in ("assets/viewer", "weights/mediapipe")]


def test_source_archive_leaves_the_compact_weights_out():
    assert "prune weights/compact" in (ROOT / "MANIFEST.in").read_text().splitlines()


# --- where files are found ---------------------------------------------------------------------------------------------------------------


def test_places_are_asked_in_order(tmp_path, monkeypatch):
    named, clone, cache = (tmp_path / name for name in ("named", "clone", "cache"))
    monkeypatch.setattr(resources, "PACKAGE", clone / "facelift")
    monkeypatch.setenv("FACELIFT_HOME", str(named))
    monkeypatch.setenv("HF_HOME", str(cache))
    places = [cache / "facelift", clone / "facelift" / "share", clone, named]
    for place in places:
        (place / "assets").mkdir(parents=True)
        assert resource("assets") == place / "assets"


def test_what_is_nowhere_is_said(tmp_path, monkeypatch):
    from facelift.weights.find import resolve

    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "facelift")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    with pytest.raises(ResourceError, match="FACELIFT_HOME"):
        resource("assets/viewer")
    with pytest.raises(WeightsError, match="FACELIFT_HOME"):
        resolve("compact")


def test_versions_of_what_is_not_installed():
    assert installed_version("torch") and installed_version("no-such-package") is None


def test_compiled_code_needs_no_folder(tmp_path):
    """A package and a home that cannot be written: nothing is kept, and all modules load."""
    users = "facelift.rendering.cpu, facelift.multiview.warping, facelift.reconstruction.visual_hull, facelift.training.targets"
    code = f"""
import numba.core.caching as caching
def nowhere(self):
    raise OSError("read-only")
caching._CacheLocator.ensure_cache_path = nowhere
import {users}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- written whole -----------------------------------------------------------------------------------------------------------------------


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    seen = []
    for text in ("one", "two"):
        files.write_whole(path, lambda partial, text=text: (seen.append(partial), partial.write_text(text)))
    assert path.read_text() == "two" and len(set(seen)) == 2 and all(p.suffix == ".txt" and str(os.getpid()) in p.name for p in seen)

    def broken(partial: Path) -> None:
        partial.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_whole(path, broken)
    assert path.read_text() == "two" and [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "head"

    def broken(partial: Path) -> None:
        (partial / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):
        files.write_whole_folder(folder, broken)
    assert not list(tmp_path.iterdir())

    def beaten(partial: Path) -> None:
        files.write_whole_folder(folder, lambda p: (p / "first").touch())
        (partial / "second").touch()

    files.write_whole_folder(folder, beaten)
    assert [p.name for p in folder.iterdir()] == ["first"] and list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    node = files.platform.node()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        (tmp_path / f".partial_{node}-{process}-0_head").mkdir()
    files.write_whole_folder(tmp_path / "head", lambda partial: (partial / "whole").touch())
    assert {p.name for p in tmp_path.iterdir()} == {"head", f".partial_{node}-{os.getppid()}-0_head"}
