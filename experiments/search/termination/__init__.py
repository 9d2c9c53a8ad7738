"""Early-termination policies by the name that a sweep document uses.

A new policy is a subclass of `Policy` and a line in POLICIES, which has them in the
order in which forms offer them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from experiments.search.fields import Diagnostics
from experiments.search.records import Objective
from experiments.search.termination.bandit import BanditPolicy, slack_warning
from experiments.search.termination.bounds import PatiencePolicy, ThresholdPolicy
from experiments.search.termination.combination import AllOf, AnyOf
from experiments.search.termination.halving import AshaPolicy, HyperbandPolicy
from experiments.search.termination.median import MedianStoppingPolicy
from experiments.search.termination.policy import Policy, read_kind
from experiments.search.termination.predictive import PredictivePolicy
from experiments.search.termination.predictive_halving import PredictiveHalvingPolicy
from experiments.search.termination.truncation import TruncationSelectionPolicy
from experiments.search.termination.wandb_hyperband import WandbHyperbandPolicy

POLICIES: Mapping[str, type[Policy]] = MappingProxyType(
    {
        policy.kind: policy
        for policy in (
            PredictivePolicy,
            PredictiveHalvingPolicy,
            MedianStoppingPolicy,
            BanditPolicy,
            TruncationSelectionPolicy,
            AshaPolicy,
            HyperbandPolicy,
            WandbHyperbandPolicy,
            ThresholdPolicy,
            PatiencePolicy,
            AnyOf,
            AllOf,
        )
    }
)
# Every report needs the policy of its sweep. A policy has no state, so it can be
# shared.
MAX_KEPT = 64


def read_policy(
    value: object,
    objective: Objective,
    diagnostics: Diagnostics,
    *,
    path: str,
    auto: str = PredictivePolicy.kind,
) -> Policy | None:
    """A policy from a document's mapping or bare name; None for null and `none`.

    `auto` is the kind that the name "auto" means. Do not use the policy if this notes
    problems in `diagnostics`.
    """
    if value is None or (isinstance(value, str) and value.lower() == "none"):
        return None
    if value in ("auto", {"type": "auto"}):
        value = auto
    return read_kind(value, objective, diagnostics, path=path, kinds=POLICIES)


def make_policy(
    mapping: Mapping[str, object] | None, objective: Objective
) -> Policy | None:
    """The policy of a sweep document; None for none, DefinitionError if invalid."""
    return _made(json.dumps(mapping, default=str), objective)


@lru_cache(maxsize=MAX_KEPT)
def _made(text: str, objective: Objective) -> Policy | None:
    diagnostics = Diagnostics()
    policy = read_policy(
        json.loads(text), objective, diagnostics, path="early_termination"
    )
    diagnostics.raise_if_any()
    return policy


__all__ = [
    "POLICIES",
    "AllOf",
    "AnyOf",
    "AshaPolicy",
    "BanditPolicy",
    "HyperbandPolicy",
    "MedianStoppingPolicy",
    "PatiencePolicy",
    "Policy",
    "PredictiveHalvingPolicy",
    "PredictivePolicy",
    "ThresholdPolicy",
    "TruncationSelectionPolicy",
    "WandbHyperbandPolicy",
    "make_policy",
    "read_policy",
    "slack_warning",
]
