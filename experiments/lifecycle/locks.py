"""The lock on a sweep's row, which comes before those on workers, attempts and trials.

PostgreSQL locks the row so that others may still refer to it; on SQLite a transaction
has the whole database to itself from its beginning.
"""

from __future__ import annotations

from experiments.models import Sweep
from experiments.models.sweeps import SweepState


def lock_sweep(sweep: Sweep) -> bool:
    """Read the row anew, which nobody else changes until the transaction ends.

    What it refers to, such as its pool, is not read again. False: it is gone.
    """
    columns = [
        field.attname for field in Sweep._meta.concrete_fields if not field.is_relation
    ]
    rows = Sweep.objects.select_for_update(no_key=True)
    try:
        sweep.refresh_from_db(fields=columns, from_queryset=rows)
    except Sweep.DoesNotExist:
        return False
    return True


def lock_running_sweep(attempt_id: int) -> Sweep | None:
    """The sweep of an attempt, locked in the same way. None: it does not run."""
    rows = Sweep.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(state=SweepState.RUNNING, trials__attempts=attempt_id).first()
