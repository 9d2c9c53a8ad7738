"""A policy read from a document, by the name of its kind."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.search.fields import Fields
from experiments.search.problems import Findings, join, unknown_name
from experiments.search.records import Objective
from experiments.search.termination.policy import Policy


def read_kind(
    value: object,
    objective: Objective,
    findings: Findings,
    *,
    path: str,
    kinds: Mapping[str, type[Policy]],
) -> Policy | None:
    """A policy from a document's mapping or bare name, among some kinds.

    None, with the problem noted in `findings`, when there is no such kind.
    """
    document = Fields.of(
        {"type": value} if isinstance(value, str) else value, path, findings
    )
    if document is None:
        return None
    policy = _named(document, kinds)
    if policy is None:
        return None
    read = policy.read(document, objective, kinds)
    document.close()
    return read


def _named(document: Fields, kinds: Mapping[str, type[Policy]]) -> type[Policy] | None:
    name = document.text("type", None, required="median_stopping")
    if name is None:
        return None
    plain = {kind.replace("_", ""): policy for kind, policy in kinds.items()}
    policy = plain.get(name.lower().replace("_", ""))
    if policy is None:
        document.findings.error(
            join(document.path, "type"), unknown_name(name, kinds, kind="policy")
        )
    return policy
