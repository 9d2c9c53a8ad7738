"""The offers of a form, and what their buttons change in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from experiments.pages.builder.code.offers import (
    EnteredTexts,
    Offers,
    command_without,
    distributions,
    metric_texts,
    offers_of,
    texts_with_kept,
    texts_with_searched,
)
from experiments.pages.builder.filling import space_rows
from experiments.pages.builder.form import SweepForm


def entered_texts(form: SweepForm) -> EnteredTexts:
    """What the offers of a form depend on."""
    return EnteredTexts(
        form.text("command"),
        form.text("inputs").replace("\r\n", "\n"),
        form.text("primary_metric").strip(),
        [row.name_as_read for row in form.rows if row.is_used],
    )


def form_offers(form: SweepForm) -> Offers | None:
    """The offers of a form; None without a script among the files."""
    form.errors  # noqa: B018 - the check finds the files
    return offers_of(form.findings.kept, entered_texts(form))


def _searched(form: SweepForm, offers: Offers, name: str) -> SweepForm:
    return _with_searched(form, offers, [name])


def _all_searched(form: SweepForm, offers: Offers, name: str) -> SweepForm:
    return _with_searched(form, offers, offers.names_for_all)


def _with_searched(form: SweepForm, offers: Offers, names: Sequence[str]) -> SweepForm:
    entered, reading = entered_texts(form), offers.reading
    space = distributions(reading, entered, names)
    if not space:
        return form
    new = space_rows(space, base=form.log_base, as_logs=False)
    rows = [row.texts for row in form.rows if not row.is_blank]
    texts = texts_with_searched(reading, entered, list(space))
    focus = f"row-{len(rows) + len(new) - 1}-name"
    return form.with_rows([*rows, *new]).with_data(focus=focus, **texts)


def _kept(form: SweepForm, offers: Offers, name: str) -> SweepForm:
    texts = texts_with_kept(offers.reading, entered_texts(form), name)
    return form.with_data(focus="field-inputs", **texts)


def _measured(form: SweepForm, offers: Offers, name: str) -> SweepForm:
    if name not in {*(offer.metric.name for offer in offers.metrics), offers.meant}:
        return form
    texts = metric_texts(name)
    guess = texts["goal"]
    return form.with_data(focus="field-primary_metric", guessed_goal=guess, **texts)


def _dropped(form: SweepForm, offers: Offers, name: str) -> SweepForm:
    if name not in offers.stale:
        return form
    command = command_without(form.text("command"), name)
    return form.with_data(focus="field-command", command=command)


OFFER_STEPS: Mapping[str, Callable[[SweepForm, Offers, str], SweepForm]] = {
    "search": _searched,
    "search-all": _all_searched,
    "keep": _kept,
    "metric": _measured,
    "drop": _dropped,
}


def after_offer(form: SweepForm, verb: str, name: str) -> SweepForm:
    """The form after `search:lr`, `search-all`, `keep:lr`, `drop:lr` or
    `metric:accuracy`."""
    offers = form_offers(form)
    return OFFER_STEPS[verb](form, offers, name) if offers else form
