"""Imports go one way: a package imports only the packages listed before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "experiments"

# The packages of experiments/, from the bottom up.
PACKAGES = (
    *("search", "runner", "client", "demo", "db", "lru_cache", "tokens"),
    *("encryption", "origin"),
    "models",
    *("access", "formatting", "markdown", "mail", "storage", "queues", "code"),
    "lifecycle",
    *(
        "tracking",
        "failures",
        "sweeps",
        "accounts",
        "reports",
        "cleanup",
        "audit",
        "scheduling",
        "backup",
        "notifications",
        "health",
    ),
    "workers",
    *("templatetags", "api", "mlflow", "pages", "admin", "management", "apps"),
)
PURE = {"search", "runner", "client"}
# These import no other package at their own end of the list, so each can be read alone.
APART = {
    "workers": {"runner", "queues"},
    "pages": set(PACKAGES) - {"api", "workers", "admin", "management"},
    "admin": set(PACKAGES) - {"api", "pages", "management"},
    "management": set(PACKAGES) - {"api", "pages", "admin"},
    "api": set(PACKAGES) - {"workers", "pages", "admin", "management"},
    "mlflow": set(PACKAGES) - {"workers", "pages", "admin", "management"},
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


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def allowed_packages(package: str) -> set[str]:
    before = set(PACKAGES[: PACKAGES.index(package)])
    return {package} | (
        set() if package in PURE else before & APART.get(package, before)
    )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_packages_before_its_own(path: Path) -> None:
    package = package_of(path)
    if package == "__init__":
        return
    assert package in PACKAGES, f"{package} has no place: add it to PACKAGES"
    used = {name.split(".")[1] for name in imports(path) if "experiments." in name}
    wrong = used - allowed_packages(package)
    assert not wrong, f"{path.relative_to(ROOT)} must not import {sorted(wrong)}"


@pytest.mark.parametrize("package", sorted(PURE))
def test_pure_packages_import_no_framework(package: str) -> None:
    for path in modules(folder=ROOT / package):
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
    # The names there are those of another project.
    ours = [path for path in modules() if not path.name.startswith("_hyperdrive")]
    for path in ours:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in {"Meta", "Command"}:
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in where.items() if len(paths) > 1}
