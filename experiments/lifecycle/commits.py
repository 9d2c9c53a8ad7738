"""The commit that all trials of a sweep run: the first that one of them looked up."""

from __future__ import annotations

from experiments.models import Sweep


def settle_commit(sweep: Sweep, commit: str) -> str:
    """Offer the commit that the sweep's git reference stands for at this moment.

    Returns the one that counts, which is another attempt's where that was earlier.
    """
    undecided = Sweep.objects.filter(pk=sweep.pk, code_commit="")
    if undecided.update(code_commit=commit):
        return commit
    settled: str = Sweep.objects.values_list("code_commit", flat=True).get(pk=sweep.pk)
    return settled
