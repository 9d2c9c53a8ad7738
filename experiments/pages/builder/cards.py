"""The choices that the page offers: samplers, policies, pools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from experiments.models import Pool, Team
from experiments.pages.builder.policy_fields import NO_POLICY
from experiments.pages.builder.settings import PROPOSED
from experiments.scheduling.occupancy import PoolSlots, team_slots
from experiments.search.fields import listed
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES
from experiments.search.wording import counted


@dataclass(frozen=True)
class Card:
    """One choice, with a sentence on when to use it.

    `why` is about this sweep: why it is proposed, or why it does not `fit` its space.
    """

    value: str
    name: str
    text: str
    note: str = ""
    why: str = ""
    fit: bool = True


NO_POLICY_CARD = Card(NO_POLICY, "None", "Every trial runs to the end.")


def sampler_cards(
    picked: str, *, proposal: str, sampler_problems: Mapping[str, str]
) -> list[Card]:
    """The samplers: the proposed one with the reason, others with their problem in this
    space."""
    cards = [
        Card(kind, sampler.title, sampler.advice) for kind, sampler in SAMPLERS.items()
    ]
    found = []
    for card in _with_picked(cards, picked):
        if card.value == PROPOSED:
            card = replace(card, note="proposed", why=proposal)
        elif card.value in sampler_problems:
            card = replace(card, why=sampler_problems[card.value], fit=False)
        found.append(card)
    return found


def policy_cards(picked: str, *, proposed: str, why: str) -> list[Card]:
    """The policies: the proposed one with the reason."""
    cards = [
        Card(
            kind,
            policy.title,
            policy.advice,
            note="proposed" if kind == proposed else "",
            why=why if kind == proposed else "",
        )
        for kind, policy in POLICIES.items()
    ]
    return _with_picked([*cards, NO_POLICY_CARD], picked)


def _with_picked(cards: list[Card], picked: str) -> list[Card]:
    """The cards, with one more for a picked value without a card."""
    if picked not in [card.value for card in cards]:
        cards.append(Card(picked, picked[:60], "Not known here."))
    return cards


def pool_choices(team: Team, picked: str) -> list[tuple[str, str]]:
    """The team's pools with their slots in words, and the picked value in any case."""
    pools = [(pool.pool.name, _slot_words(pool)) for pool in team_slots(team).pools]
    if picked not in [name for name, _ in pools]:
        words = "not one of the team's pools" if picked else "choose a pool"
        pools.append((picked, words))
    return pools


def _slot_words(pool: PoolSlots) -> str:
    if not pool.total:
        return "no worker now"
    return f"{counted(pool.total, 'slot')}, {pool.total - pool.busy} free now"


def folder_words(pools: Iterable[Pool]) -> str:
    """The folders of workers that may be code, as the field's help says it."""
    allowed = [
        f"{', '.join(map(str, pool.folders))} in pool {pool.name}"
        for pool in pools
        if pool.folders
    ]
    if not allowed:
        return (
            "No pool of the team allows folders yet. An admin can allow some in the"
            " pool's settings."
        )
    return f"Each trial runs in a copy. Allowed: {listed(allowed)}."
