"""Imports go one way: a room imports only the rooms listed before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "experiments"

# The rooms of experiments/, from the bottom up.
ROOMS = (
    *("search", "runner", "client", "demo", "db", "lru_cache", "tokens"),
    "models",
    *("access", "formatting", "storage", "queues", "code"),
    "lifecycle",
    *("tracking", "failures", "sweeps", "scheduling", "workers"),
    *("templatetags", "api", "pages", "admin", "management", "apps"),
)
PURE = {"search", "runner", "client"}
# These import no other room at their own end of the list, so each can be read alone.
APART = {
    "workers": {"runner", "queues"},
    "pages": set(ROOMS) - {"api", "workers", "admin", "management"},
    "admin": set(ROOMS) - {"api", "pages", "management"},
    "management": set(ROOMS) - {"api", "pages", "admin"},
    "api": set(ROOMS) - {"workers", "pages", "admin", "management"},
}
FRAMEWORKS = {"django", "rq", "django_rq", "redis", "ninja"}
MAX_LINES = 400


def modules(*, folder: Path = ROOT) -> list[Path]:
    skipped = {"migrations", "demo", "build"}
    return [p for p in folder.rglob("*.py") if not skipped & set(p.parts)]


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "experiments":
                names |= {f"experiments.{alias.name}" for alias in node.names}
    return names


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def allowed_rooms(room: str) -> set[str]:
    before = set(ROOMS[: ROOMS.index(room)])
    return {room} | (set() if room in PURE else before & APART.get(room, before))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_rooms_before_its_own(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in ROOMS, f"{room} has no place: add it to ROOMS"
    used = {name.split(".")[1] for name in imports(path) if "experiments." in name}
    wrong = used - allowed_rooms(room)
    assert not wrong, f"{path.relative_to(ROOT)} must not import {sorted(wrong)}"


@pytest.mark.parametrize("room", sorted(PURE))
def test_pure_rooms_import_no_framework(room: str) -> None:
    for path in modules(folder=ROOT / room):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & FRAMEWORKS, f"{path} imports {roots & FRAMEWORKS}"


def test_no_module_imports_itself_through_others() -> None:
    """A circle of files means that two of them are one, or that a function is lost."""
    known = {dotted(path) for path in modules()}
    graph = {dotted(path): imported_modules(path, known) for path in modules()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"imports go in a circle: {' -> '.join(trail)}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """Modules of ours that run before this one; not those that only types need."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known
            if names - known:
                found.add(node.module)
    return (found & known) - {dotted(path)}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for path in modules() if path.name in drawers]


def test_modules_stay_under_400_lines() -> None:
    long = {
        str(p): n for p in modules() if (n := p.read_text().count("\n")) > MAX_LINES
    }
    assert not long


def test_a_class_name_exists_once() -> None:
    where: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in {"Meta", "Command"}:
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in where.items() if len(paths) > 1}
