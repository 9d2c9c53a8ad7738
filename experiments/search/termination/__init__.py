"""Early-termination policies by the name that a sweep document uses.

A new policy is a subclass of `Policy` in a module of its own and a line in POLICIES.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from experiments.search.fields import Fields
from experiments.search.problems import Findings, join, unknown_name
from experiments.search.records import Objective
from experiments.search.termination.bandit import BanditPolicy
from experiments.search.termination.median import MedianStoppingPolicy
from experiments.search.termination.policy import Policy
from experiments.search.termination.truncation import TruncationSelectionPolicy

POLICIES: Mapping[str, type[Policy]] = MappingProxyType(
    {
        policy.kind: policy
        for policy in (BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy)
    }
)


def read_policy(
    value: object, objective: Objective, findings: Findings, *, path: str
) -> Policy | None:
    """A policy from a document's mapping or bare name; None for null and `none`.

    Problems are noted in `findings`, and the answer is then of no use.
    """
    if value is None or (isinstance(value, str) and value.lower() == "none"):
        return None
    document = Fields.of(
        {"type": value} if isinstance(value, str) else value, path, findings
    )
    if document is None:
        return None
    policy = _named(document)
    if policy is None:
        return None
    read = policy.read(document, objective)
    document.close()
    return read


def make_policy(
    mapping: Mapping[str, object] | None, objective: Objective
) -> Policy | None:
    """The policy of a sweep document; None for none, DefinitionError if invalid."""
    findings = Findings()
    policy = read_policy(mapping, objective, findings, path="early_termination")
    findings.raise_if_any()
    return policy


def _named(document: Fields) -> type[Policy] | None:
    name = document.text("type", None, required="median_stopping")
    if name is None:
        return None
    plain = {kind.replace("_", ""): policy for kind, policy in POLICIES.items()}
    policy = plain.get(name.lower().replace("_", ""))
    if policy is None:
        document.findings.error(
            join(document.path, "type"), unknown_name(name, POLICIES, kind="policy")
        )
    return policy


__all__ = [
    "POLICIES",
    "BanditPolicy",
    "MedianStoppingPolicy",
    "Policy",
    "TruncationSelectionPolicy",
    "make_policy",
    "read_policy",
]
