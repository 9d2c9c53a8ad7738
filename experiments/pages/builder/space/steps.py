"""What the buttons of a parameter or a constraint change."""

from __future__ import annotations

from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.space.kinds import NATURAL
from experiments.pages.builder.space.parameters import CONDITIONS, MAX_ROWS, RowTexts

# The lower bound with which a repair replaces 0.
SMALLEST = "0.000001"
ROW_STEPS = frozenset(
    {"add", "up", "down", "remove", "copy", "when", "always"}
    | {"natural", "above0", "plain"}
    | {"add-constraint", "remove-constraint"}
)
# The field that a step changes, and its new text.
TEXTS = {
    "natural": ("unit", NATURAL),
    "above0": ("low", SMALLEST),
    "plain": ("extra", ""),
}
FOCUS = {"plain": "name", "always": "name", "when": "when"}


def row_step(form: SweepForm, verb: str, number: str) -> SweepForm:
    """`add`, `up:2`, `remove-constraint:2` and repairs; `number` is that of the form in
    its formset."""
    verb, _, of_rules = verb.partition("-")
    formset = form.constraints if of_rules else form.parameters
    prefix = str(formset.prefix)
    places = {row.prefix: place for place, row in enumerate(formset.rows)}
    place = places.get(f"{prefix}-{number}")
    texts: list[RowTexts] = [row.texts for row in formset.rows]
    focus = ""
    if verb == "add" and len(texts) < MAX_ROWS:
        focus = f"{prefix}-{len(texts)}-{'rule' if of_rules else 'name'}"
        texts.append({})
    elif place is not None:
        focus = _changed(texts, place, verb)
    return form.with_rows(texts, prefix=prefix, focus=focus)


def _changed(texts: list[RowTexts], place: int, verb: str) -> str:
    """Change the row at a place; the id of the field that gets the focus."""
    if verb == "remove":
        del texts[place]
        return "field-space"
    if verb in ("up", "down"):
        other = place + (-1 if verb == "up" else 1)
        if not 0 <= other < len(texts):
            return ""
        texts[place], texts[other] = texts[other], texts[place]
        return f"row-{other}-name"
    if verb == "copy" and len(texts) < MAX_ROWS:
        name = _free_name(texts, texts[place].get("name", ""))
        texts.insert(place + 1, {**texts[place], "name": name})
        return f"row-{place + 1}-name"
    if verb == "always":
        for name in (name for names in CONDITIONS for name in names):
            texts[place].pop(name, None)
    if verb in TEXTS:
        name, text = TEXTS[verb]
        texts[place][name] = text
    return f"row-{place}-{FOCUS.get(verb, 'low')}"


def _free_name(texts: list[RowTexts], name: str) -> str:
    """`lr_2` for a copy of `lr`."""
    taken = {row.get("name", "") for row in texts}
    numbered = (f"{name}_{number}" for number in range(2, MAX_ROWS + 2))
    return next(free for free in numbered if free not in taken)
