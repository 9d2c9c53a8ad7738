"""What people say about experiments, sweeps, trials and runs: name, tags and a note.

One form for all of them, whose entries are saved as a person types, and quick changes
of tags beside the title.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.markdown import MAX_NOTE, markdown_html
from experiments.models import Event, Team, Trial, User
from experiments.models.runs import MAX_RUN_NAME
from experiments.pages.builder.saved.forms import (
    WORDS,
    ChangedElsewhere,
    FormKey,
    OpenedForm,
)
from experiments.pages.frame import act, digest, get_or_post, post, set_team
from experiments.pages.sent_forms import sent_again_after_login
from experiments.search.fields import DefinitionError
from experiments.search.wording import unseen_problem
from experiments.sweeps import editing
from experiments.sweeps.annotations import (
    change_experiment,
    check_note,
    check_words,
    note_trials,
    tag_trials,
)
from experiments.sweeps.control import NotPossible
from experiments.tracking import run_log

# Begins the fields that say what the form began with.
BEGAN = "began_"
CHANGED = "Somebody has changed this meanwhile. Save again to replace it. It is now: {}"
KINDS = ("experiment", "sweep", "trial", "run")


@dataclass(frozen=True)
class Words:
    """Name, tags and note of one thing. A trial of a sweep has only its number."""

    name: str | None
    tags: Mapping[str, str]
    note: str


@dataclass(frozen=True)
class Subject:
    """What the words are about."""

    kind: str
    row: Any

    @property
    def team(self) -> Team:
        team: Team = (
            self.row if self.kind == "experiment" else self.row.experiment
        ).team
        return team

    @property
    def label(self) -> str:
        return str(self.row)

    @property
    def url(self) -> str:
        return reverse("about", args=(self.kind, self.row.pk))

    @property
    def tags_url(self) -> str:
        return reverse("about_tags", args=(self.kind, self.row.pk))

    @property
    def words(self) -> Words:
        row = self.row
        if self.kind == "experiment":
            return Words(row.name, _read_tags(row.tags), row.notes)
        if self.kind == "sweep":
            return Words(row.name, {k: str(v) for k, v in row.tags.items()}, row.notes)
        run = getattr(row, "run", None)
        name = row.run.name if self.kind == "run" else None
        return Words(name, run.visible_tags if run else {}, run.note if run else "")

    def save(self, words: Words, *, actor: User) -> None:
        """Raises NotPossible, DefinitionError."""
        before = self.words
        check_words(words.tags)
        check_note(words.note)
        if words == before:
            return
        with transaction.atomic():
            if self.kind == "experiment":
                fields = {"name": words.name, "tags": tag_lines(words.tags)}
                fields |= {"notes": words.note}
                change_experiment(self.row, fields, actor=actor)
            elif self.kind == "sweep":
                changes = {
                    "display_name": words.name or "",
                    "tags": words.tags,
                    "notes": words.note,
                }
                editing.change_sweep(self.row, changes, actor=actor)
            else:
                _save_trial(self.row, before, words, actor=actor)


def _read_tags(tags: list[str]) -> dict[str, str]:
    """Those of an experiment are words, such as `demo` or `gpu = no`."""
    pairs = (str(tag).partition("=") for tag in tags)
    return {name.strip(): value.strip() for name, _, value in pairs}


def tag_lines(tags: Mapping[str, str]) -> list[str]:
    return [f"{name} = {value}" if value else name for name, value in tags.items()]


def _save_trial(row: Trial, before: Words, words: Words, *, actor: User) -> None:
    one = Trial.objects.filter(pk=row.pk)
    if words.name is not None and words.name != before.name:
        run_log.change_run(row, name=words.name)
        Event.log(
            "run changed",
            "name",
            actor=actor,
            trial=row,
            before={"name": before.name},
            after={"name": words.name},
        )
    if words.tags != before.tags:
        gone = before.tags.keys() - words.tags.keys()
        tag_trials(one, add=words.tags, remove=gone, actor=actor)
    if words.note != before.note:
        note_trials(one, words.note, actor=actor)


class TagLinesField(forms.CharField):
    """Tags as lines of ``name = value``; a name alone is a tag without a value."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(tag_lines(value)) if isinstance(value, Mapping) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        pairs = (line.partition("=") for line in lines if line)
        tags = {name.strip(): text.strip() for name, _, text in pairs}
        try:
            check_words(tags)
        except NotPossible as error:
            raise ValidationError(str(error)) from error
        return tags


class WordsForm(forms.Form):
    name = forms.CharField(max_length=200)
    tags = TagLinesField(
        required=False,
        max_length=MAX_NOTE,
        help_text="One per line: a name, or name = value.",
    )
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Markdown: **bold**, lists, tables, `code`, links.",
    )

    def __init__(self, subject: Subject, data: Any = None, initial: Any = None) -> None:
        words = subject.words
        super().__init__(data, initial=initial)
        name = self.fields["name"]
        if words.name is None:
            del self.fields["name"]
        elif subject.kind == "sweep":
            name.required = False
            name.label = "Display name"
        elif subject.kind == "run":
            name.max_length = MAX_RUN_NAME  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if problem := unseen_problem(name, in_line=True):
            raise ValidationError(problem)
        return name

    @property
    def words(self) -> Words:
        found = self.cleaned_data
        note = found["note"].replace("\r\n", "\n")
        return Words(found.get("name"), found["tags"], note)


def subject_of(request: HttpRequest, kind: str, pk: int) -> Subject:
    """What the viewer may change. Raises PermissionDenied for what they only read."""
    user = access.viewer(request)
    rows: Any
    if kind == "experiment":
        rows = access.experiments_for(user)
    elif kind == "sweep":
        rows = access.sweeps_for(user)
    elif kind in KINDS:
        rows = access.trials_for(user).filter(sweep__isnull=kind == "run")
    else:
        raise Http404(f"A {kind[:20]} has no tags and note.")
    subject = Subject(kind, access.found_or_404(rows, pk=pk))
    set_team(request, subject.team)
    if not access.can_steer(user, subject.team):
        raise PermissionDenied
    return subject


def texts_of(words: Words) -> dict[str, str]:
    """The fields of the form, as text."""
    texts = {"tags": "\n".join(tag_lines(words.tags)), "note": words.note}
    return texts if words.name is None else {"name": words.name, **texts}


def _mark(text: str) -> str:
    return digest(text.replace("\r\n", "\n").strip())


def _merged(
    now: Mapping[str, str], entered: QueryDict
) -> tuple[dict[str, str], list[str]]:
    """What a form says that may have been opened long ago, and the fields that somebody
    else has changed too. What the person has left alone is as it is now."""
    found, both = dict(now), []
    for name, text in now.items():
        began = entered.get(BEGAN + name, _mark(text))
        typed = entered.get(name, text)
        if _mark(typed) in (began, _mark(text)):
            continue
        found[name] = typed
        both += [name] if began != _mark(text) else []
    return found, both


@sent_again_after_login
def about(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """The form; ``preview`` shows it again with the note as it will look."""
    subject = subject_of(request, kind, pk)
    key = FormKey(access.viewer(request), subject.team, f"{WORDS}{kind}:{pk}")
    now, is_sent, row = texts_of(subject.words), request.method == "POST", key.current()
    opened = OpenedForm(key, row, is_recovered=row is not None and not is_sent)
    entered = request.POST if is_sent else opened.data or QueryDict()
    texts, both = _merged(now, entered)
    form = WordsForm(subject, texts if is_sent else None, texts)
    preview = None
    if is_sent and form.is_valid():
        preview = markdown_html(form.words.note)
        if "preview" not in request.POST:
            for name in both:
                form.add_error(name, CHANGED.format(now[name][:300]))
            if not both and _saved(request, subject, key, form):
                return redirect(subject.row)
    route = (subject.team.slug, key.key)
    context = {
        **{"form": form, "subject": subject, "preview": preview, "saved": opened},
        "began": [(BEGAN + name, _mark(text)) for name, text in now.items()],
        "changed": [] if is_sent else [(name, now[name]) for name in both],
        "saved_url": reverse("saved_form", args=route),
        "discard_url": reverse("saved_form_discard", args=route),
    }
    status = 422 if form.errors else 200
    return render(request, "experiments/about/form.html", context, status=status)


def _saved(
    request: HttpRequest, subject: Subject, key: FormKey, form: WordsForm
) -> bool:
    """False with an error in the form."""
    try:
        with transaction.atomic():
            key.end(request.POST)
            subject.save(form.words, actor=access.viewer(request))
    except (NotPossible, DefinitionError) as error:
        form.add_error(None, str(error))
    except ChangedElsewhere as error:
        form.add_error(None, f"{error} Save again to replace what it says.")
    return not form.errors


def about_tags(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Add one tag, `name` or `name = value`, or remove one."""
    subject = subject_of(request, kind, pk)
    name, _, value = request.POST.get("add", "").partition("=")
    words, gone = subject.words, request.POST.get("remove", "")
    tags = {each: text for each, text in words.tags.items() if each != gone}
    if name.strip():
        tags[name.strip()] = value.strip()

    def save() -> str:
        changed = Words(words.name, tags, words.note)
        subject.save(changed, actor=access.viewer(request))
        return ""

    return act(request, subject.row, save)


@sent_again_after_login
def run_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    return about(request, "run", pk)


@sent_again_after_login
def experiment_notes(request: HttpRequest, pk: int) -> HttpResponseBase:
    return about(request, "experiment", pk)


urlpatterns = [
    get_or_post("about/<slug:kind>/<int:pk>/", about, "about"),
    post("about/<slug:kind>/<int:pk>/tags/", about_tags, "about_tags"),
    get_or_post("runs/<int:pk>/edit/", run_edit, "run_edit"),
    get_or_post("experiments/<int:pk>/notes/", experiment_notes, "experiment_notes"),
]
