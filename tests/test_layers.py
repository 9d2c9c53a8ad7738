"""Imports go one way. The layers, from the bottom up, and what each may import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "experiments"

# A package may import what stands in a lower layer, and its own layer.
LAYERS = (
    {"search"},
    {
        "runner",
        "client",
        "failpoints",
        "words",
        "tokens",
        "document_yaml",
        "signatures",
        "causes",
        "lru_cache",
    },
    {"models", "clock", "kept_plans", "statements"},
    {"ranks", "ledger", "training_time", "verdicts", "spaces"},
    {"lifecycle", "access", "progress", "storage", "embedded_queue", "supervision"}
    | {"price", "ticks", "failures", "common_values"},
    {"checking", "snapshots", "installation", "histories", "judging", "queues"}
    | {"placing", "hosts", "turns", "quickness", "gpu_doubts"}
    | {"breakers", "recent_ends", "bad_hosts", "preflight", "findings"}
    | {"devices", "host_facts", "worker_names"}
    | {"rivals", "finished", "slack"}
    | {
        "resuming",
        "troubles",
        "worker_site",
        "submission",
        "shared_code",
        "code_words",
        "warm_trials",
        "wishes",
        "space_versions",
    },
    {"ingest", "scheduling", "repair", "jobs", "demonstration", "cleanup", "steering"}
    | {"further_trials", "gaps", "recomputing", "outside", "edits"}
    | {"folders", "tables", "terminal", "search_now", "recordings", "simulations"}
    | {"waiting", "metric_names", "wait_causes", "occupancy", "slot"},
    {"api", "mlflow", "pages", "templatetags", "admin", "management", "apps"},
)
# The ways in, none of which may import another.
WAYS_IN = {"api", "pages", "admin", "management", "templatetags"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
PURE = ("search", "runner", "client")
FOREIGN = {"django", "rq", "django_rq", "redis", "ninja"}


def modules() -> list[Path]:
    found = ROOT.rglob("*.py")
    return [p for p in found if not {"migrations", "demo", "build"} & set(p.parts)]


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


def layer_name(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", modules(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_imports_from_its_own_layer_or_below(path: Path) -> None:
    own = layer_name(path)
    if own == "__init__":
        return
    assert own in LEVEL, f"{own} has no layer: add it to LAYERS"
    for name in imports(path):
        if name.startswith("experiments."):
            other = name.split(".")[1]
            assert LEVEL[other] <= LEVEL[own], f"{own} must not import {name}"
            apart = own in WAYS_IN and other in WAYS_IN and own != other
            assert not apart, f"{own} must not import {name}"
            if own in PURE:
                assert other == own, f"{own} must import nothing of ours but {own}"


@pytest.mark.parametrize("pure", PURE)
def test_the_pure_packages_know_no_web_framework_and_no_queue(pure: str) -> None:
    for path in (ROOT / pure).rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & FOREIGN, f"{path} imports {roots & FOREIGN}"


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for path in modules() if path.name in drawers]


def test_modules_stay_under_400_lines() -> None:
    long = {str(p): n for p in modules() if (n := p.read_text().count("\n")) > 400}
    assert not long
