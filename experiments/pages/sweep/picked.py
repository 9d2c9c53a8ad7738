"""What the bars of the table and of the charts do with picked trials of a sweep.

``trials`` holds their numbers, as `picked_numbers` reads them. GET asks, and so does a
POST with ``ask``: on a page, or alone for a script, which then gets JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.models import Sweep, User
from experiments.pages.compare.views import MAX_TRIALS as MAX_COMPARED
from experiments.pages.compare.views import compare_url
from experiments.pages.frame import (
    Confirmation,
    ask,
    get_or_post,
    sweep_to_read,
    sweep_to_steer,
)
from experiments.search.filters.lexer import FilterError
from experiments.search.space.bounds import box_of
from experiments.search.wording import counted
from experiments.sweeps import picked
from experiments.sweeps.annotations import note_trials, tag_trials
from experiments.sweeps.control import NotPossible
from experiments.sweeps.requests import MAX_AT_ONCE
from experiments.sweeps.trial_filters import number_ranges, numbers_matching
from experiments.tracking.spaces import flat_configurations, search_space

Numbers = Sequence[int]


@dataclass(frozen=True)
class Act:
    """What can be done: a question, and the deed, which returns a sentence and the
    trials that it changed. ``asks``: the label of a text that it needs; ``undo``: the
    act that takes it back."""

    title: str
    text: str
    verb: str
    do: Callable[[Sweep, Numbers, User, str], tuple[str, Numbers]]
    asks: str = ""
    undo: str = ""
    loses: bool = False


def _cancel(
    sweep: Sweep, numbers: Numbers, actor: User, text: str
) -> tuple[str, Numbers]:
    asked = picked.cancel_trials(sweep, numbers, actor=actor)
    return f"Asked {counted(len(asked), 'trial')} to stop.", asked


def _archive(
    sweep: Sweep, numbers: Numbers, actor: User, text: str
) -> tuple[str, Numbers]:
    done = picked.archive_trials(sweep, numbers, away=True, actor=actor)
    left = len(numbers) - len(done)
    more = f" The other {left:,} did not change." if left else ""
    return f"Archived {counted(len(done), 'trial')}.{more}", done


def _restore(
    sweep: Sweep, numbers: Numbers, actor: User, text: str
) -> tuple[str, Numbers]:
    done = picked.archive_trials(sweep, numbers, away=False, actor=actor)
    return f"{counted(len(done), 'trial is', 'trials are')} in the table again.", done


def _tag(sweep: Sweep, numbers: Numbers, actor: User, text: str) -> tuple[str, Numbers]:
    add, remove = tags_in(text)
    trials = sweep.trials.filter(number__in=numbers)
    done = tag_trials(trials, add=add, remove=remove, actor=actor)
    return f"Changed the tags of {counted(done, 'trial')}.", numbers


def tags_in(text: str) -> tuple[dict[str, str], list[str]]:
    """The tags of ``robust, owner=ada, -old`` to add and to remove. Raises NotPossible
    where there are none."""
    add: dict[str, str] = {}
    remove: list[str] = []
    for word in filter(None, map(str.strip, text.split(","))):
        if word.startswith("-"):
            remove.append(word[1:].strip())
        else:
            name, _, value = word.partition("=")
            add[name.strip()] = value.strip()
    if not any((*add, *remove)):
        raise NotPossible("Enter at least one tag, such as robust.")
    return add, remove


def _note(
    sweep: Sweep, numbers: Numbers, actor: User, text: str
) -> tuple[str, Numbers]:
    if not text.strip():
        raise NotPossible("Enter the note.")
    trials = sweep.trials.filter(number__in=numbers)
    done = note_trials(trials, text.strip(), append=True, actor=actor)
    return f"Added the note to {counted(done, 'trial')}.", numbers


ACTS: Mapping[str, Act] = {
    "cancel": Act(
        "Cancel {}?",
        "Those that run stop; results are kept.",
        "Cancel trials",
        _cancel,
        loses=True,
    ),
    "archive": Act(
        "Archive {}?",
        "The table hides them. They still count for the search and the best value.",
        "Archive trials",
        _archive,
        undo="restore",
    ),
    "restore": Act(
        "Restore {}?", "The table shows them again.", "Restore trials", _restore
    ),
    "tag": Act(
        "Tag {}",
        "A tag may have a value, such as owner=ada. A minus removes a tag, such as"
        " -old.",
        "Change tags",
        _tag,
        asks="Tags, separated by commas",
    ),
    "note": Act(
        "Add a note to {}",
        "It is added below the note that a trial has. Markdown is allowed.",
        "Add note",
        _note,
        asks="Note",
    ),
}


def act_on_picked(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """GET, or a POST that asks, answers with the question."""
    if act not in ACTS:
        raise Http404(f"Trials cannot {act}.")
    sweep = sweep_to_steer(request, pk)
    data = request.POST if request.method == "POST" else request.GET
    try:
        numbers = picked_in(sweep, data)
        if request.method != "POST" or "ask" in data:
            return _question(request, sweep, act, numbers)
        text = data.get("reason", "")
        sentence, done = ACTS[act].do(sweep, numbers, access.viewer(request), text)
    except NotPossible as error:
        return _refused(request, sweep, str(error))
    return _answered(request, sweep, act, sentence, done)


def picked_in(sweep: Sweep, data: QueryDict) -> list[int]:
    """The picked trials of a form or an address: their numbers, or, with ``all=1``,
    those that match the filter ``q``. Raises NotPossible."""
    if data.get("all") != "1":
        return picked.picked_numbers(",".join(data.getlist("trials")))
    try:
        found = numbers_matching(sweep, data.get("q", ""))
    except FilterError as error:
        raise NotPossible(str(error)) from error
    picked.check_picked(found)
    return found


def _question(
    request: HttpRequest, sweep: Sweep, act: str, numbers: Numbers
) -> HttpResponse:
    asked = ACTS[act]
    question = Confirmation(
        confirm_id="picked",
        title=asked.title.format(counted(len(numbers), "trial")),
        text=asked.text,
        rows=(),
        action=reverse("sweep_picked", args=(sweep.pk, act)),
        verb=asked.verb,
        keep="Back",
        keep_url=reverse("sweep_trials", args=(sweep.pk,)),
        fields=(("trials", number_ranges(numbers)),),
        reason_label=asked.asks,
        is_plain=not asked.loses,
    )
    if request.accepts("text/html"):
        return ask(request, question)
    return render(
        request,
        "components/question_body.html",
        {"question": question, "heading": "h2"},
    )


def _answered(
    request: HttpRequest, sweep: Sweep, act: str, sentence: str, done: Numbers
) -> HttpResponse:
    undo, query = "", _query(trials=number_ranges(done))
    if ACTS[act].undo:
        undo = f"{reverse('sweep_picked', args=(sweep.pk, ACTS[act].undo))}?{query}"
    if request.accepts("text/html"):
        messages.success(request, sentence, extra_tags=undo)
        return redirect("sweep_trials", sweep.pk)
    return JsonResponse({"sentence": sentence, "undo": undo, "trials": list(done)})


def _refused(request: HttpRequest, sweep: Sweep, sentence: str) -> HttpResponse:
    if not request.accepts("text/html"):
        return JsonResponse({"error": sentence}, status=409)
    messages.error(request, sentence)
    return redirect("sweep_trials", sweep.pk)


# --- to other pages -----------------------------------------------------------------


def compare_picked(request: HttpRequest, pk: int) -> HttpResponse:
    """The comparison of the picked trials, whose address has their ids."""
    return _leave(request, sweep_to_read(request, pk), _compare)


def rerun_picked(request: HttpRequest, pk: int) -> HttpResponse:
    return _leave(request, sweep_to_steer(request, pk), _rerun)


def sweep_of_picked(request: HttpRequest, pk: int) -> HttpResponse:
    """The builder with a copy of the sweep, whose ranges end where those of the picked
    trials do."""
    return _leave(request, sweep_to_steer(request, pk), _region)


def _leave(
    request: HttpRequest, sweep: Sweep, to: Callable[[Sweep, Numbers], str]
) -> HttpResponse:
    data = request.POST if request.method == "POST" else request.GET
    try:
        return redirect(to(sweep, picked_in(sweep, data)))
    except NotPossible as error:
        return _refused(request, sweep, str(error))


def _query(**parts: object) -> str:
    return urlencode(parts, doseq=True, safe=",:")


def _ids(sweep: Sweep, numbers: Numbers, *, most: int) -> list[int]:
    found = sweep.trials.filter(number__in=numbers[: most + 1])
    return list(found.order_by("number").values_list("pk", flat=True))


def _compare(sweep: Sweep, numbers: Numbers) -> str:
    return compare_url(_ids(sweep, numbers, most=MAX_COMPARED))


def _rerun(sweep: Sweep, numbers: Numbers) -> str:
    if len(numbers) > MAX_AT_ONCE:
        raise NotPossible(
            f"At most {MAX_AT_ONCE} trials can run again at once, not"
            f" {len(numbers):,}. Select fewer."
        )
    ids = _ids(sweep, numbers, most=MAX_AT_ONCE)
    query = _query(trials=",".join(map(str, ids)))
    return f"{reverse('sweep_again', args=(sweep.pk,))}?{query}"


def _region(sweep: Sweep, numbers: Numbers) -> str:
    space = search_space(sweep)
    stored = sweep.trials.filter(number__in=numbers).values_list("params", flat=True)
    box = box_of(space, flat_configurations(space, stored))
    query = _query(clone=sweep.pk, bounds=box)
    return f"{reverse('sweep_create')}?{query}"


urlpatterns = [
    get_or_post("sweeps/<int:pk>/trials/compare/", compare_picked, "compare_picked"),
    get_or_post("sweeps/<int:pk>/trials/again/", rerun_picked, "rerun_picked"),
    get_or_post("sweeps/<int:pk>/trials/region/", sweep_of_picked, "sweep_of_picked"),
    get_or_post("sweeps/<int:pk>/trials/<str:act>/", act_on_picked, "sweep_picked"),
]
