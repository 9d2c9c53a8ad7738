"""Saved views: names for addresses of an experiment's pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from experiments.models import Event, Experiment, SavedView, User
from experiments.search.wording import unseen_problem
from experiments.sweeps.control import NotPossible

MAX_NAME, MAX_QUERY, MAX_FIELDS = 60, 4_000, 100
# Of one person, or of the team, for one kind of page.
MAX_VIEWS = 50
# What an address says besides the view.
NOT_OF_A_VIEW = frozenset({"view", "page", "since", "from", "count"})


def view_query(text: str) -> str:
    """The part of an address that a view keeps. Raises NotPossible."""
    text = text.removeprefix("?")
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            strict_parsing=False,
        )
    except ValueError as error:
        raise NotPossible(
            f"The address has more than {MAX_FIELDS} parts; a view keeps at most that."
        ) from error
    query = urlencode([pair for pair in pairs if pair[0] not in NOT_OF_A_VIEW])
    if len(query) > MAX_QUERY:
        raise NotPossible(
            f"The address has {len(query):,} characters; a view keeps at most"
            f" {MAX_QUERY:,}. Filter by fewer conditions, or show fewer columns."
        )
    if "%00" in query:
        raise NotPossible("The address has a NUL character, which cannot be stored.")
    return query


def save_view(
    experiment: Experiment,
    page: str,
    name: str,
    query: str,
    *,
    user: User,
    for_team: bool = False,
) -> SavedView:
    """Raises NotPossible for a name that is taken or not valid."""
    view = SavedView(
        experiment=experiment,
        page=page,
        owner=None if for_team else user,
        name=_checked_name(name),
        query=view_query(query),
    )
    same = SavedView.objects.filter(experiment=experiment, page=page, owner=view.owner)
    if same.count() >= MAX_VIEWS:
        raise NotPossible(f"There are {MAX_VIEWS} views already. Delete one first.")
    _store(view)
    _log("view saved", view, user)
    return view


def change_view(
    view: SavedView, *, user: User, name: str | None = None, query: str | None = None
) -> None:
    """Rename the view, or make it keep another address. Raises NotPossible."""
    before = {"name": view.name, "query": view.query}
    view.name = view.name if name is None else _checked_name(name)
    view.query = view.query if query is None else view_query(query)
    after = {"name": view.name, "query": view.query}
    if after == before:
        return
    _store(view)
    _log("view changed", view, user, before=before, after=after)


def delete_view(view: SavedView, *, user: User) -> None:
    SavedView.objects.filter(pk=view.pk).delete()
    _log("view deleted", view, user)


def _store(view: SavedView) -> None:
    try:
        with transaction.atomic():
            if view.pk is None:
                view.save()
            elif not SavedView.objects.filter(pk=view.pk).update(
                name=view.name, query=view.query, updated_at=Now()
            ):
                raise NotPossible(f"The view {view.name} was deleted meanwhile.")
    except IntegrityError as error:
        who = "You have" if view.owner_id else "The team has"
        raise NotPossible(
            f"{who} a view {view.name} of this page. Choose another name, or open that"
            " view and update it."
        ) from error


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME:
        raise NotPossible(f"Enter a name of at most {MAX_NAME} characters.")
    if problem := unseen_problem(name, in_line=True):
        raise NotPossible(f"The name is not valid: {problem}")
    return name


def _log(
    verb: str,
    view: SavedView,
    user: User,
    *,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
) -> None:
    team = view.experiment.team
    if view.owner_id:
        # What it is called and shows is only for its owner.
        Event.log(verb, "A private view", actor=user, team=team, about=view.experiment)
        return
    name = view.name
    Event.log(verb, name, actor=user, team=team, about=view, before=before, after=after)
