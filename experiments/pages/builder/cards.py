"""The choices that the page offers: samplers, policies, pools."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments import access
from experiments.models import Team
from experiments.occupancy import PoolSlots, team_slots
from experiments.pages.builder.entries import PROPOSED
from experiments.pages.builder.fields import NO_POLICY
from experiments.pages.builder.policy_advice import Proposal
from experiments.search.figures import counted
from experiments.search.problems import listed
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES


@dataclass(frozen=True)
class Card:
    """One choice among a few, with a sentence on when to use it.

    `why` is a further sentence, on this sweep: why it is proposed, or why it is not
    `fit` for its space.
    """

    value: str
    name: str
    text: str
    note: str = ""
    why: str = ""
    fit: bool = True


SAMPLER_CARDS = (
    ("auto", "Auto", "Picks one of the others for the space and the budget."),
    (
        "bayesian",
        "Bayesian",
        "A model of every result proposes. Best for 20 to 1,000 trials.",
    ),
    (
        "tpe",
        "TPE",
        "Compares good trials with the rest. For many choices and conditions.",
    ),
    (
        "cmaes",
        "CMA-ES",
        "Moves a cloud of draws uphill. For continuous ranges and 200 trials or more.",
    ),
    (
        "sobol",
        "Sobol",
        "Random, but spread evenly. For a first look below 50 trials.",
    ),
    (
        "random",
        "Random",
        "Independent draws: the yardstick, and good for very many trials.",
    ),
    ("grid", "Grid", "Every combination of listed values, in order."),
)
POLICY_CARDS = (
    (
        "predictive",
        "Predictive",
        "Ends what is unlikely to become the best, judging by completed trials.",
    ),
    (
        "median_stopping",
        "Median stopping",
        "Ends what is worse than the typical trial. Cautious from report 5 or so.",
    ),
    ("bandit", "Bandit", "Ends what is far from the best. Needs a known slack."),
    (
        "truncation_selection",
        "Truncation",
        "Ends the worst share at every check, however good it is.",
    ),
    (
        "asha",
        "ASHA",
        "From rung to rung only the best go on. For many trials and little compute.",
    ),
    (
        "hyperband",
        "Hyperband",
        "ASHA, but some trials are judged later. For curves that start slowly.",
    ),
    (
        "threshold",
        "Threshold",
        "Ends what misses a value that you know: diverged, or below the baseline.",
    ),
    (
        "patience",
        "Patience",
        "Ends what has stopped improving, good or bad. For trials without an end.",
    ),
    ("any_of", "Any of several", "Ends a trial as soon as one of several rules does."),
    ("all_of", "All of several", "Ends a trial only where several rules agree."),
    (NO_POLICY, "None", "Every trial runs to its end."),
)


def sampler_cards(
    picked: str, *, proposal: str, misfits: Mapping[str, str]
) -> list[Card]:
    """The samplers, the proposed one with the reason, others with what is against them
    in this space."""
    cards = []
    for card in _cards(SAMPLER_CARDS, SAMPLERS, picked):
        if card.value == PROPOSED:
            card = replace(card, note="proposed", why=proposal)
        elif card.value in misfits:
            card = replace(card, why=misfits[card.value], fit=False)
        cards.append(card)
    return cards


def policy_cards(picked: str, *, proposed: Proposal) -> list[Card]:
    """The policies, the proposed one with the reason."""
    return [
        replace(card, note="proposed", why=proposed.why)
        if card.value == proposed.kind
        else card
        for card in _cards(POLICY_CARDS, (*POLICIES, NO_POLICY), picked)
    ]


def card_name(known: Sequence[tuple[str, str, str]], value: str) -> str:
    return next(name for key, name, _ in known if key == value)


def _cards(
    known: Sequence[tuple[str, str, str]], registry: Collection[str], picked: str
) -> list[Card]:
    """The cards of what there is; one more for whatever is picked that has none."""
    cards = [Card(*card) for card in known if card[0] in registry]
    names = [card.value for card in cards]
    others = [name for name in registry if name not in names]
    cards += [Card(name, name.replace("_", " ").capitalize(), "") for name in others]
    if picked not in [card.value for card in cards]:
        cards.append(Card(picked, picked[:60], "Not known here."))
    return cards


def pool_choices(team: Team, picked: str) -> list[tuple[str, str]]:
    """Every pool of the team with its slots in words; the picked one in any case."""
    pools = [(pool.pool.name, _slot_words(pool)) for pool in team_slots(team).pools]
    if picked not in [name for name, _ in pools]:
        words = "not one of the team's pools" if picked else "choose a pool"
        pools.append((picked, words))
    return pools


def _slot_words(pool: PoolSlots) -> str:
    if not pool.total:
        return "no worker now"
    return f"{counted(pool.total, 'slot')}, {pool.total - pool.busy} free now"


def folder_words(team: Team) -> str:
    """Which folders of the workers may be code, as a field's help says it."""
    pools = access.pools_for_team(team).values_list("name", "folders")
    allowed = [
        f"{', '.join(map(str, own))} in pool {name}" for name, own in pools if own
    ]
    if not allowed:
        return (
            "No pool of the team allows a folder yet. An admin names the allowed ones "
            "in the pool's settings."
        )
    return f"Every trial runs in a copy. Allowed: {listed(allowed)}."
