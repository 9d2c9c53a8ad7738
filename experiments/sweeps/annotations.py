"""Tags and notes that people give to experiments, trials and runs; those of many trials
in one transaction, with one event for each team and sweep.

A trial of a sweep gets its Run row with the first of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from experiments.markdown import MAX_NOTE
from experiments.models import Event, Experiment, Run, Team, Trial, User
from experiments.models.runs import MLFLOW_PREFIX
from experiments.search.wording import counted, unseen_problem
from experiments.sweeps.control import NotPossible
from experiments.sweeps.creation import free_slug
from experiments.tracking.run_log import RunLogError, check_count, check_tags

BATCH, MAX_IDS = 500, 5_000
MAX_NAMED = 5
# Of an experiment.
MAX_TAGS, MAX_TAG = 20, 40


def check_words(tags: Mapping[str, str]) -> None:
    """Tags that a person types. Raises NotPossible."""
    try:
        check_tags(tags)
    except RunLogError as error:
        raise NotPossible(str(error)) from error
    _check_free(tags)
    for text in (*tags, *tags.values()):
        if problem := unseen_problem(text, in_line=True):
            raise NotPossible(f"A tag is not valid: {problem}")


def _check_free(names: Iterable[str]) -> None:
    if own := next((name for name in names if name.startswith(MLFLOW_PREFIX)), ""):
        raise NotPossible(f"{own} is a tag of MLflow's own. Choose another name.")


def _check_room(before: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """A run that has too many can still lose some."""
    if len(tags) <= len(before):
        return
    try:
        check_count(tags, "tags")
    except RunLogError as error:
        raise NotPossible(str(error)) from error


def check_note(note: str) -> None:
    """Raises NotPossible."""
    if len(note) > MAX_NOTE or "\0" in note:
        raise NotPossible(
            f"A note has at most {MAX_NOTE:,} characters, none of them NUL; this one"
            f" has {len(note):,}."
        )


def change_experiment(
    experiment: Experiment, fields: Mapping[str, Any], *, actor: User
) -> None:
    """Set its name, question, tags or notes. Raises NotPossible."""
    _check_experiment_tags(fields.get("tags", ()))
    before = {name: getattr(experiment, name) for name in fields}
    changed = [name for name in fields if fields[name] != before[name]]
    if not changed:
        return
    Experiment.objects.filter(pk=experiment.pk).update(**fields)
    Event.log(
        "experiment changed",
        f"{experiment.name}: {', '.join(changed)}",
        actor=actor,
        team=experiment.team,
        about=experiment,
        before={name: before[name] for name in changed},
        after={name: fields[name] for name in changed},
        data={"experiment": experiment.pk},
    )


def _check_experiment_tags(tags: Sequence[str]) -> None:
    """As the form of an experiment takes them: words between commas."""
    for tag in tags:
        if len(tag) > MAX_TAG or "," in tag:
            raise NotPossible(
                f"The tag {tag[:60]!r} has {len(tag)} characters; a tag of an"
                f" experiment has at most {MAX_TAG}, and no comma."
            )
    if len(tags) > MAX_TAGS:
        raise NotPossible(f"There are {len(tags)} tags; the limit is {MAX_TAGS}.")


def create_experiment(
    team: Team, name: str, *, user: User, words: Mapping[str, Any]
) -> Experiment:
    """``words``: its question, tags and notes. Raises NotPossible, or ValidationError
    if its sweeps would be called as those of another experiment."""
    _check_experiment_tags(words["tags"])
    own = {field: words[field] for field in ("question", "tags", "notes")}
    slug = free_slug(team, name)
    made, is_new = Experiment.all_objects.get_or_create(
        team=team, slug=slug, defaults={"name": name, "created_by": user, **own}
    )
    if not is_new:
        raise NotPossible(f"Team {team.name} has just got an experiment {name!r}.")
    Event.log(
        "experiment created",
        made.name,
        actor=user,
        team=team,
        data={"experiment": made.pk},
    )
    return made


def open_experiment(experiment: Experiment, opened: bool, *, actor: User) -> None:
    """Let everybody on the site read it, or its team alone."""
    Experiment.objects.filter(pk=experiment.pk).update(open_to_all=opened)
    experiment.open_to_all = opened
    log_opening(experiment, actor=actor)


def log_opening(experiment: Experiment, *, actor: User) -> None:
    """After a change of who may read it."""
    Event.log(
        "experiment opened to all" if experiment.open_to_all else "experiment closed",
        experiment.name,
        actor=actor,
        team=experiment.team,
        about=experiment,
        before={"open_to_all": not experiment.open_to_all},
        after={"open_to_all": experiment.open_to_all},
    )


def archive_experiment(experiment: Experiment, *, away: bool, actor: User) -> str:
    """Hide it from lists, or show it again; what was done, in a word."""
    when = Now() if away else None
    Experiment.objects.filter(pk=experiment.pk).update(archived_at=when)
    verb = "archived" if away else "restored"
    Event.log(
        f"experiment {verb}",
        experiment.name,
        actor=actor,
        team=experiment.team,
        data={"experiment": experiment.pk},
    )
    return verb


def tag_trials(
    trials: QuerySet[Trial],
    *,
    add: Mapping[str, str] | None = None,
    remove: Iterable[str] = (),
    actor: User,
) -> int:
    """Give tags to trials and take others from them; returns how many trials changed.

    Raises NotPossible.
    """
    add, remove = dict(add or {}), set(remove)
    check_words(add)
    _check_free(remove)

    def change(run: Run) -> bool:
        kept = {name: v for name, v in run.tags.items() if name not in remove}
        before, run.tags = run.tags, kept | add
        _check_room(before, run.tags)
        return bool(before != run.tags)

    data = {"add": add, "remove": sorted(remove)}
    words = [f"added {_named(sorted(add))}"] if add else []
    words += [f"removed {_named(sorted(remove))}"] if remove else []
    return _change(trials, "tags", change, actor=actor, words=words, data=data)


def note_trials(
    trials: QuerySet[Trial], note: str, *, append: bool = False, actor: User
) -> int:
    """Write a note on trials, or add it below the one that each has. Raises
    NotPossible."""
    check_note(note)

    def change(run: Run) -> bool:
        before = run.note
        run.note = f"{before}\n\n{note}" if append and before else note
        check_note(run.note)
        return before != run.note

    data = {"note": note, "append": append}
    return _change(trials, "note", change, actor=actor, words=["note"], data=data)


def _change(
    trials: QuerySet[Trial],
    column: str,
    change: Callable[[Run], bool],
    *,
    actor: User,
    words: Iterable[str],
    data: Mapping[str, Any],
) -> int:
    with transaction.atomic():
        ids = list(trials.order_by("pk").values_list("pk", flat=True))
        changed = [pk for part in _parts(ids) for pk in _changed(part, column, change)]
        _log(changed, ", ".join(words), actor=actor, data=data)
        # Last: feeds look back only seconds from when they can see it.
        for part in _parts(changed):
            Trial.objects.filter(pk__in=part).update(updated_at=Now())
    return len(changed)


def _parts(ids: list[int]) -> Iterator[list[int]]:
    """No statement has too many values for SQLite."""
    return (ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS))


def _changed(ids: list[int], column: str, change: Callable[[Run], bool]) -> list[int]:
    """Change the Run rows of these trials; those that were changed."""
    missing = Trial.objects.filter(pk__in=ids, run=None).values_list("pk", flat=True)
    rows = [Run(trial_id=pk) for pk in missing]
    Run.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    locked = Run.objects.select_for_update(of=("self",)).filter(trial__in=ids)
    runs = [run for run in locked.order_by("pk") if change(run)]
    Run.objects.bulk_update(runs, [column], batch_size=BATCH)
    return [run.pk for run in runs]


def _log(pks: list[int], words: str, *, actor: User, data: Mapping[str, Any]) -> None:
    """An event of each team and sweep: about its trial, or about the sweep of many."""
    places: dict[tuple[int, int | None], list[tuple[int, int]]] = defaultdict(list)
    columns = ("experiment__team", "sweep", "pk", "number")
    for part in _parts(pks):
        rows = Trial.objects.filter(pk__in=part).order_by("pk")
        for team, sweep, pk, number in rows.values_list(*columns):
            places[team, sweep].append((pk, number))
    ids = [trials[0][0] for trials in places.values()]
    joined = Trial.objects.select_related("experiment__team", "sweep__experiment")
    firsts = joined.in_bulk(ids)
    for trials in places.values():
        numbers = [number for _, number in trials]
        _log_place(firsts[trials[0][0]], numbers, words, actor=actor, data=data)


def _log_place(
    first: Trial,
    numbers: Sequence[int],
    words: str,
    *,
    actor: User,
    data: Mapping[str, Any],
) -> None:
    kind = "trial" if first.sweep_id else "run"
    if len(numbers) == 1:
        Event.log(f"{kind} changed", words, actor=actor, trial=first, data=data)
        return
    Event.log(
        f"{kind}s changed",
        f"{words}: {counted(len(numbers), kind)} ({_named(numbers)})",
        actor=actor,
        team=first.experiment.team,
        sweep=first.sweep,
        data=data,
    )


def _named(found: Sequence[object]) -> str:
    more = ", …" if len(found) > MAX_NAMED else ""
    return f"{', '.join(map(str, found[:MAX_NAMED]))}{more}"
