"""The rules the code keeps: import direction, a light import, clean files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "facelift"
LAYERS = (  # each may import itself and what stands above it here
    {"__init__", "arrays", "cameras", "choices", "compiled", "devices", "errors", "files", "gaussians", "harmonics", "resources", "stock"},
    {"weights"},
    {"portrait", "rendering"},
    {"export", "face", "multiview", "reconstruction"},
    {"animation", "video"},
    {"assembly", "head", "person", "pipeline"},
    {"serving"},
    {"ui"},
    {"__main__", "app", "cli"},
)
PIPELINE, ENTRY = 5, 8
APART = ("synthesis", "training", "evaluation", "bench")  # each may import those before it, and everything up to the pipeline
CONVENIENCE = {("gaussians", "export")}  # Gaussians.save and .load, imported when called
LONGEST = 300  # lines


def layer(room: str) -> int:
    return next(i for i, rooms in enumerate(LAYERS) if room in rooms)


def may_import(room: str, target: str, late: bool) -> bool:
    """room, target: files and folders of facelift/, without suffix. late: only when something is called."""
    if room == target:
        return True
    if room in APART:
        return APART.index(target) < APART.index(room) if target in APART else layer(target) <= PIPELINE
    if target in APART:
        return late and layer(room) == ENTRY
    return layer(target) <= layer(room) or late and (room, target) in CONVENIENCE


def module_of(path: Path) -> str:
    """facelift/ui/page.py -> facelift.ui.page; a package is called by its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), ROOT / "app.py"])


MODULES = {module_of(path) for path in sources()}


def import_nodes(node: ast.AST, late: bool = False):
    """Import statements below a node, and whether they wait for a call; those for type checkers alone are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, late
        yield from import_nodes(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def imports(path: Path):
    """Our own modules that a file imports, and whether only when something is called."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    for node, late in import_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = ".".join([*(parts[: len(parts) - node.level] if node.level else []), *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        yield from ((name, late) for name in names if name in MODULES)


def room_of(module: str) -> str:
    return "__init__" if module == "facelift" else module.removeprefix("facelift.").split(".")[0]


def test_imports_run_downwards():
    wrong = []
    for path in sources():
        for target, late in imports(path):
            if not may_import(room_of(module_of(path)), room_of(target), late):
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_modules_import_each_other_in_no_circle():
    graph = {module_of(path): {target for target, late in imports(path) if not late and target != module_of(path)} for path in sources()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_import_check_sees_relative_and_late_imports():
    assert ("facelift.export.splats", True) in set(imports(PACKAGE / "gaussians.py"))
    assert ("facelift.ui.texts", False) in set(imports(PACKAGE / "ui" / "page.py"))
    assert ("facelift.portrait", False) in set(imports(PACKAGE / "ui" / "aligner.py"))
    assert not may_import("pipeline", "ui", late=True) and not may_import("cli", "training", late=False)
    assert may_import("cli", "training", late=True) and not may_import("training", "evaluation", late=True)


def test_no_file_is_long():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert not {name: count for name, count in lines.items() if count > LONGEST}


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


def test_every_module_can_be_imported():
    """Names that one module takes from another are there. Blender's rooms need bpy."""
    files = [path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    names = [name for name in names if not name.startswith("facelift.synthesis.cycles.")]
    run = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


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
    distribution |= {"backports": "backports-zstd", "yaml": "pyyaml"}
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
        apart = parts[0] == "facelift" and parts[1] in APART
        name = "requirements-dev.txt" if parts[0] == "tests" else "requirements-train.txt" if apart else "requirements.txt"
        name = "requirements-cycles.txt" if parts[:3] == ("facelift", "synthesis", "cycles") else name
        missing += [f"{path.relative_to(ROOT)}: {package} is not in {name}" for package in sorted(third_party(path) - requirements(name))]
    assert not missing
