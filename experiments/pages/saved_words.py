"""What early ends saved beside time, in words: reports, GPU time and money."""

from __future__ import annotations

from experiments.ledger import Saving
from experiments.search.figures import counted
from experiments.words import duration_text

LEAST_MONEY = 0.01


def also_saved(saving: Saving) -> str:
    """What follows the saved time: `` and 17 reports``, ``, 17 reports and 0.50 in
    money``; GPU time and money only where there is some."""
    parts = []
    if reports := round(saving.reports):
        parts.append(counted(reports, "report"))
    if saving.gpu_seconds:
        parts.append(f"{duration_text(saving.gpu_seconds)} of GPU time")
    if saving.money:
        parts.append(money_text(saving.money))
    if len(parts) < 2:
        return "".join(f" and {part}" for part in parts)
    return f", {', '.join(parts[:-1])} and {parts[-1]}"


def money_text(money: float) -> str:
    """``1,234.50 in money``, in whatever the pools' prices are given in."""
    least = f"below {LEAST_MONEY}"
    return f"{least if money < LEAST_MONEY else f'{money:,.2f}'} in money"
