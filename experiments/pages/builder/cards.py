"""The choices that the page offers: samplers, policies, pools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.models import Pool
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.policy_fields import NO_POLICY
from experiments.scheduling.occupancy import PoolSlots
from experiments.search.fields import listed
from experiments.search.recommendations import Recommendation
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES
from experiments.search.wording import counted


@dataclass(frozen=True)
class Card:
    """One choice, with a sentence on when to use it.

    `why` is about this sweep: why the choice is recommended, or does not `fit` its
    space.
    """

    value: str
    name: str
    text: str
    note: str = ""
    why: str = ""
    fit: bool = True


@dataclass(frozen=True)
class Deck:
    """The cards of one field: those in view, and the others in a fold.

    `title` says what they are recommended for. The picked card is in view. `unfit` says
    in short which others do not fit. `guide` is the page of the documentation.
    """

    guide: str
    title: str
    picked: str
    recommended: Sequence[Card]
    more: Sequence[Card]
    unfit: str = ""

    @property
    def names(self) -> str:
        """`4 others: Bayesian, TPE, CMA-ES and Grid`."""
        names = ", ".join(card.name for card in self.more)
        return f"{counted(len(self.more), 'other')}: {names}"

    @property
    def cards(self) -> Sequence[Card]:
        return [*self.recommended, *self.more]


NO_POLICY_CARD = Card(NO_POLICY, "None", "Every trial runs to the end.")


def sampler_deck(
    picked: str,
    recommended: Sequence[Recommendation],
    *,
    title: str,
    problems: Mapping[str, str],
) -> Deck:
    """The samplers; those that cannot search the space say why."""
    cards = [
        Card(kind, sampler.title, sampler.advice) for kind, sampler in SAMPLERS.items()
    ]
    cards = [
        replace(card, why=problems[card.value], fit=False)
        if card.value in problems
        else card
        for card in cards
    ]
    return _deck("samplers", title, cards, picked, recommended)


def policy_deck(
    picked: str, recommended: Sequence[Recommendation], *, title: str
) -> Deck:
    """The policies, and none."""
    cards = [
        Card(kind, policy.title, policy.advice) for kind, policy in POLICIES.items()
    ]
    return _deck(
        "early-termination", title, [*cards, NO_POLICY_CARD], picked, recommended
    )


def _deck(
    guide: str,
    title: str,
    cards: Sequence[Card],
    picked: str,
    recommended: Sequence[Recommendation],
) -> Deck:
    known = {card.value: card for card in cards}
    in_view = [_recommended(known.pop(each.kind), each) for each in recommended]
    in_view[0] = replace(in_view[0], note="proposed")
    if picked not in [card.value for card in in_view]:
        unknown = Card(picked, picked[:60], "Not known here.")
        in_view.append(known.pop(picked, unknown))
    more = list(known.values())
    unfit = [card for card in more if not card.fit]
    words = f"{listed([card.name for card in unfit])} do not fit this space."
    if len(unfit) < 2:
        words = "".join(f"{card.name} does not fit. {card.why}" for card in unfit)
    return Deck(guide, title, picked, in_view, more, words)


def _recommended(card: Card, recommendation: Recommendation) -> Card:
    """The card with the reason, unless its own says that it does not fit."""
    return replace(card, why=recommendation.reason) if card.fit else card


def pool_choices(context: FormContext, picked: str) -> list[tuple[str, str]]:
    """The pools on which the user may run commands, with their slots in words, and the
    picked value in any case."""
    slots = {pool.pool.name: _slot_words(pool) for pool in context.slots.pools}
    allowed = {pool.name for pool in context.pools}
    pools = [(name, words) for name, words in slots.items() if name in allowed]
    if picked not in [name for name, _ in pools]:
        words = "not one of the team's pools" if picked else "choose a pool"
        words = "you may not run commands on it" if picked in slots else words
        pools.append((picked, words))
    return pools


def _slot_words(pool: PoolSlots) -> str:
    if not pool.total:
        return "no worker now"
    return f"{pool.total - pool.busy} of {pool.total} free"


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
