"""How one sweep's document differs from another's, in short sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.search.document.definition import SweepDefinition
from experiments.search.fields import shown
from experiments.search.records import JSONValue, Objective
from experiments.search.space.changes import space_changes
from experiments.search.termination import make_policy

# Fields with their own sentences; and names, which differ in every sweep.
APART = ("search_space", "constraints", "early_termination", "sampling_algorithm")
NAMES = ("display_name", "description")
ENVIRONMENT, CODE = "trial.environment_variables", "trial.code"


def document_changes(old: SweepDefinition, new: SweepDefinition) -> list[str]:
    """A text for each field that differs, such as `limits.timeout: 1h → 2h`.

    Names, descriptions and a sampler's seed do not count. Values of environment
    variables may be secret, so they are left out.
    """
    changes = [
        str(change) for change in space_changes(old.search_space, new.search_space)
    ]
    changes += _sampler_change(old.sampling_algorithm, new.sampling_algorithm)
    changes += _policy_change(old, new)
    before, after = dict(_plain(old)), dict(_plain(new))
    names = [*after, *(name for name in before if name not in after)]
    differ = (name for name in names if before.get(name) != after.get(name))
    return [*changes, *(_in_words(name, before, after) for name in differ)]


def _plain(definition: SweepDefinition) -> Iterator[tuple[str, JSONValue]]:
    document = definition.dump()
    for name in (*APART, *NAMES):
        document.pop(name, None)
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _in_words(
    name: str, before: Mapping[str, JSONValue], after: Mapping[str, JSONValue]
) -> str:
    if name == ENVIRONMENT:
        return f"{name}: other values"
    if name == CODE and all(_is_upload(values.get(name)) for values in (before, after)):
        return f"{name}: other files"
    old, new = (
        shown(values[name]) if name in values else "not set"
        for values in (before, after)
    )
    return f"{name}: {old} → {new}"


def _is_upload(code: JSONValue) -> bool:
    return isinstance(code, Mapping) and ("upload" in code or "files" in code)


def _sampler_change(
    old: Mapping[str, JSONValue], new: Mapping[str, JSONValue]
) -> Iterator[str]:
    before, after = ({**each, "seed": None} for each in (old, new))
    if before["type"] != after["type"]:
        yield f"sampler: {after['type']} instead of {before['type']}"
    elif before != after:
        yield f"sampler: {after['type']} with other settings"


def _policy_change(old: SweepDefinition, new: SweepDefinition) -> Iterator[str]:
    if old.early_termination == new.early_termination:
        return
    before = policy_in_words(old.early_termination, old.objective)
    after = policy_in_words(new.early_termination, new.objective)
    if before == after:
        yield f"early termination: {after} with other settings"
    else:
        yield f"early termination: {after} instead of {before}"


def policy_in_words(
    settings: Mapping[str, JSONValue] | None, objective: Objective
) -> str:
    """A policy in a few words; `none` without one."""
    policy = make_policy(settings, objective)
    return policy.in_words() if policy else "none"
