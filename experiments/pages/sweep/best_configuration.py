"""The best trial's configuration as Python, YAML and a command; the sweep's document as
a file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from experiments.models import Artifact, Sweep, Trial
from experiments.pages.frame import get, sweep_to_read
from experiments.search.document.command import CommandError, render_command
from experiments.search.document.yaml import yaml_text
from experiments.search.wording import counted
from experiments.sweeps.creation import sweep_document

MAX_OUTPUTS = 6


class CodeTab(TypedDict):
    """One tab of components/code_card.html."""

    id: str
    name: str
    code: str


@dataclass(frozen=True)
class BestConfiguration:
    """``outputs``: the first of ``count`` files that the trial saved."""

    trial: Trial
    tabs: Sequence[CodeTab]
    outputs: Sequence[Artifact]
    count: int

    @property
    def number_text(self) -> str:
        return str(self.trial.number)

    @property
    def left_out(self) -> int:
        return self.count - len(self.outputs)


def best_configuration(sweep: Sweep, trial: Trial) -> BestConfiguration:
    files = Artifact.objects.filter(attempt=trial.current_attempt_id)
    return BestConfiguration(
        trial=trial,
        tabs=configuration_tabs(sweep, trial),
        outputs=list(files[:MAX_OUTPUTS]),
        count=files.count(),
    )


def configuration_tabs(sweep: Sweep, trial: Trial) -> list[CodeTab]:
    origin = _origin(sweep, trial)
    return [
        CodeTab(id="python", name="Python", code=as_python(trial.params, origin)),
        CodeTab(id="yaml", name="YAML", code=as_yaml(trial.params, origin)),
        CodeTab(id="command", name="Command", code=as_command(sweep, trial.params)),
    ]


def _origin(sweep: Sweep, trial: Trial) -> str:
    """Where the values come from, in one line."""
    metric = " ".join(sweep.primary_metric.split())
    facts = [f"{sweep.label}/{trial.number}: {metric} {trial.value}"]
    facts.append(counted(trial.reports, "report"))
    if sweep.code is not None:
        facts.append(f"code {sweep.code.digest[:8]}")
    elif sweep.code_commit:
        facts.append(f"code {sweep.code_commit[:8]}")
    return ", ".join(facts)


def as_python(params: Mapping[str, Any], origin: str) -> SafeString:
    """A dictionary with the exact values, which are marked for color."""
    lines = [
        format_html('    {}: <span class="value">{}</span>,\n', literal(name), text)
        for name, text in ((name, literal(value)) for name, value in params.items())
    ]
    body = format_html_join("", "{}", ((line,) for line in lines))
    return format_html("# {}\nparams = {}\n{}{}", origin, "{", body, "}")


def literal(value: Any) -> str:
    """A JSON value as a Python literal, with double quotes."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def as_yaml(params: Mapping[str, Any], origin: str) -> str:
    text = yaml_text(params, width=88)
    return f"# {origin}\n{text.rstrip()}"


def as_command(sweep: Sweep, params: Mapping[str, Any]) -> str:
    """The trial's command, quoted for a shell."""
    template = sweep.definition.get("trial", {}).get("command", "")
    inputs = sweep.definition.get("inputs", {})
    try:
        return shlex.join(render_command(template, params, inputs))
    except CommandError as error:
        return f"# {error}"


def export(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The canonical document as a file."""
    sweep = sweep_to_read(request, pk)
    types = {"yaml": "application/yaml", "json": "application/json"}
    if kind not in types:
        raise Http404("A document is exported as yaml or json.")
    name = f"{sweep.label}.{kind}"
    return HttpResponse(
        document_text(sweep, kind),
        content_type=f"{types[kind]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def document_text(sweep: Sweep, kind: str) -> str:
    document = sweep_document(sweep)
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_text(document, width=88)


urlpatterns = [get("sweeps/<int:pk>/document.<str:kind>", export, "sweep_export")]
