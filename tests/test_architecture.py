"""The rules the code keeps: import direction, a light import, clean files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "facelift"
BASE, STAGES, PIPELINE, UI, ENTRY, APART = range(6)
LAYER = {
    "cameras": BASE, "gaussians": BASE,
    "pipeline": PIPELINE, "__init__": PIPELINE,
    "ui": UI,
    "__main__": ENTRY, "cli": ENTRY, "app": ENTRY,
    "synthesis": APART, "training": APART, "evaluation": APART,
}  # fmt: skip
CONVENIENCE = {("gaussians", "splat_io")}  # Gaussians.save and .load, imported when called


def layer(module: str) -> int:
    return LAYER.get(module, STAGES)


def imports(path: Path):
    """Top-level modules of the package that a file imports, wherever in the file."""
    inside = path.relative_to(ROOT).with_suffix("").parts  # facelift, multiview, pipeline
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(inside[: len(inside) - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            targets = [base + [alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "app":
                yield "app"
            elif target[0] == "facelift":
                name = target[1] if len(target) > 1 else "__init__"
                known = (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
                yield name if known else "__init__"


def sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("app.py")])


def test_imports_run_downwards():
    wrong = []
    for path in sources():
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = parts[1] if len(parts) > 1 else parts[0]
        for target in imports(path):
            downwards = target == module or layer(target) <= layer(module) and (layer(target), layer(module)) != (APART, ENTRY)
            if not downwards and (module, target) not in CONVENIENCE:
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_import_check_sees_relative_and_late_imports():
    path = PACKAGE / "gaussians.py"
    assert "splat_io" in set(imports(path)) or not (PACKAGE / "splat_io.py").is_file()
    assert {"cameras", "gaussians"} <= set(imports(PACKAGE / "gslrm.py"))


def test_import_is_light():
    """`import facelift` starts no thread, opens no connection, touches no GPU, and leaves the heavy packages alone."""
    code = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(refuse)
import facelift, threading, torch
heavy = {"gradio", "mediapipe", "rembg", "onnxruntime", "gsplat"} & set(sys.modules)
assert not heavy, heavy
assert threading.active_count() == 1, threading.enumerate()
assert not torch.cuda.is_initialized()
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_ruff():
    run = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="not a git checkout")
def test_tracked_files_name_no_machine():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    machine = re.compile(rb"(?<![\w.~}-])/(work|opt|tmp|root)/\w|/home/(?!user/)\w+/|[A-Z]:\\Users\\")
    wrong = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path == Path(__file__).resolve() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8192] and (found := machine.search(content)):
            wrong.append(f"{name}: {found.group().decode()}")
    assert not wrong


def requirements(name: str) -> set[str]:
    """Pinned distributions of a list and of those it includes."""
    found = set()
    for line in (ROOT / name).read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement.startswith("-r "):
            found |= requirements(requirement.removeprefix("-r "))
        elif requirement:
            assert re.fullmatch(r"[\w.-]+==[\w.]+", requirement), f"{name}: {line} is not pinned"
            found.add(requirement.partition("==")[0].lower())
    return found


def third_party(path: Path) -> set[str]:
    """Distributions a file imports from, wherever in the file."""
    distribution = {"PIL": "pillow", "cv2": "opencv-contrib-python", "skimage": "scikit-image", "gradio_client": "gradio"}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    local = {"facelift", "app", *(p.stem for p in path.parent.glob("*.py"))}
    return {distribution.get(name, name.replace("_", "-").lower()) for name in found - set(sys.stdlib_module_names) - local}


def test_every_import_is_a_pinned_requirement():
    """The app needs requirements.txt alone; synthesis, training and evaluation the train list; tests the dev list."""
    missing = []
    for path in [*sources(), *(ROOT / "tests").glob("*.py")]:
        parts = path.relative_to(ROOT).parts
        apart = parts[0] == "facelift" and layer(Path(parts[1]).stem) == APART
        name = "requirements-dev.txt" if parts[0] == "tests" else "requirements-train.txt" if apart else "requirements.txt"
        name = "requirements-cycles.txt" if parts[:3] == ("facelift", "synthesis", "cycles") else name
        missing += [f"{path.relative_to(ROOT)}: {package} is not in {name}" for package in sorted(third_party(path) - requirements(name))]
    assert not missing
