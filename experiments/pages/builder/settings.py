"""The builder's form without the search space: every field of the document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms

from experiments.pages.builder.code_fields import (
    GIT,
    code_kind,
    read_requirements,
    write_requirements,
)
from experiments.pages.builder.collector_fields import (
    CHOICES,
    read_names,
    write_names,
)
from experiments.pages.builder.fields import (
    LIMITS,
    OBJECTIVE,
    RUN,
    SAMPLER,
    TERMINATION,
    DocumentField,
    PairsField,
    PartForm,
    line,
    lines,
)
from experiments.pages.builder.policy_fields import (
    CONTROLS,
    NO_POLICY,
    PolicyField,
    common_fields,
    option_choices,
    own_fields,
    policies_faults,
)
from experiments.pages.form_fields import read_duration, read_number, write_duration
from experiments.search.document.collector import (
    AUTOMATIC,
    FIELD,
    FILE,
    FORMATS,
    REGEX,
    STDOUT,
    TENSORBOARD,
)
from experiments.search.fields import is_number
from experiments.search.records import JSONValue

# The sampler of a new form, which the page proposes.
PROPOSED = "auto"
ONLY_RANDOM: Mapping[str, Any] = {"picked": "sampler", "values": ("random",)}
ONLY_GIT: Mapping[str, Any] = {"picked": "code_kind", "values": (GIT,)}


def read_text(text: str) -> JSONValue:
    """Text of several lines; None for an empty one."""
    return text.replace("\r\n", "\n") if text.strip() else None


def read_policy_kind(text: str) -> JSONValue:
    """A policy's type; None for no policy."""
    kind = text.strip()
    return None if kind == NO_POLICY else kind or None


def _number(
    path: str,
    section: int,
    label: str,
    hint: str = "",
    mode: str = "numeric",
    **more: Any,
) -> DocumentField:
    widget = line(hint, mode)
    return DocumentField(path, section, label, read=read_number, widget=widget, **more)


def _duration(path: str, label: str, hint: str, **more: Any) -> DocumentField:
    read, write = read_duration, write_duration
    return DocumentField(
        path, LIMITS, label, read=read, write=write, widget=line(hint), **more
    )


def _collector(
    path: str, label: str, kinds: Sequence[str], **more: Any
) -> DocumentField:
    """A setting of what the worker collects."""
    return DocumentField(
        f"{FIELD}.{path}", OBJECTIVE, label, picked="collector", values=kinds, **more
    )


def policy_setting(field: PolicyField) -> DocumentField:
    """A setting of early termination, with the control that it declares."""
    setting = field.setting
    read, write = CONTROLS[setting.control]
    widgets: Mapping[str, forms.Widget] = {
        "check": forms.CheckboxInput(),
        "choice": forms.Select(),
        "lines": lines(4, setting.placeholder),
    }
    return DocumentField(
        f"early_termination.{field.name}",
        TERMINATION,
        setting.label or field.name.replace("_", " "),
        read=read,
        write=write,
        faults=policies_faults if setting.control == "lines" else lambda text: (),
        picked="policy",
        values=field.kinds,
        help_text=setting.help,
        widget=widgets.get(setting.control, line(setting.placeholder, "decimal")),
    )


class SettingsForm(PartForm):
    """All fields that are not rows. Their names are those of the POST."""

    code_kind = DocumentField("", RUN, "Code from")
    code = DocumentField("", RUN, "Code", widget=forms.HiddenInput)
    refused = DocumentField("", RUN, "Files", widget=forms.HiddenInput)
    files = DocumentField("", RUN, "Files", widget=forms.FileInput)  # type: ignore[assignment]
    git_url = DocumentField(
        "trial.code.git.url",
        RUN,
        "Repository",
        widget=line("https://git.example.org/team/project.git", "url"),
        **ONLY_GIT,
    )
    git_ref = DocumentField(
        "trial.code.git.ref",
        RUN,
        "Branch, tag or commit",
        widget=line("default branch"),
        **ONLY_GIT,
    )
    git_path = DocumentField(
        "trial.code.git.path",
        RUN,
        "Folder in the repository",
        widget=line("the whole repository"),
        **ONLY_GIT,
    )
    folder = DocumentField(
        "", RUN, "Folder on the workers", widget=line("/srv/code/digits")
    )
    command = DocumentField(
        "trial.command",
        RUN,
        "Command",
        read=read_text,
        widget=lines(2, "python train.py --lr ${{search_space.learning_rate}}"),
    )
    python = DocumentField(
        "trial.python", RUN, "Python", widget=line("the pool's, or the worker's own")
    )
    requirements = DocumentField(
        "trial.requirements",
        RUN,
        "Requirements",
        read=read_requirements,
        write=write_requirements,
        widget=lines(1, "requirements.txt, or one package per line"),
    )
    inputs = PairsField(
        "inputs",
        RUN,
        "Inputs, the same for every trial",
        plain=True,
        widget=lines(2, "epochs=30"),
    )
    environment = PairsField(
        "trial.environment_variables",
        RUN,
        "Environment variables",
        plain=False,
        widget=lines(2, "OMP_NUM_THREADS=1"),
    )
    primary_metric = DocumentField(
        "objective.primary_metric", OBJECTIVE, "Primary metric", widget=line("accuracy")
    )
    goal = DocumentField("objective.goal", OBJECTIVE, "Goal")
    target = _number("objective.target", OBJECTIVE, "Target", "no target", "decimal")
    collector = DocumentField(
        "",
        OBJECTIVE,
        "The worker reads",
        widget=forms.Select,
        help_text="What the script logs itself, with sweepsite_client or MLflow,"
        " always counts and comes first.",
    )
    collector_pattern = _collector(
        f"{STDOUT}.pattern",
        "Pattern, a regular expression",
        [REGEX],
        read=read_text,
        widget=line(r"epoch (?P<epoch>\d+): acc (?P<accuracy>\S+)"),
        help_text="Named groups: name and value, or the metric's own name; also step"
        " or epoch.",
    )
    collector_metrics = _collector(
        f"{STDOUT}.metrics",
        "Other metrics",
        FORMATS,
        read=read_names,
        write=write_names,
        widget=line("loss, f1"),
    )
    collector_folder = _collector(
        f"{TENSORBOARD}.path",
        "Folder",
        [TENSORBOARD],
        widget=line("outputs"),
        help_text="Below the trial's working folder.",
    )
    collector_file = _collector(
        f"{FILE}.path",
        "File",
        [FILE],
        widget=line("metrics.csv"),
        help_text="Below the trial's working folder. The name's ending says the"
        " format: csv, json or jsonl; others have name=value.",
    )
    collector_sample = DocumentField(
        "",
        OBJECTIVE,
        "Try it: paste lines of your output",
        widget=lines(4, "epoch 3: loss=0.31 accuracy=0.91"),
    )
    sampler = DocumentField("sampling_algorithm.type", SAMPLER, "Sampler")
    seed = _number(
        "sampling_algorithm.seed",
        SAMPLER,
        "Seed",
        "chosen at the start",
        help_text="The same seed gives the same trials.",
    )
    rule = DocumentField(
        "sampling_algorithm.rule",
        SAMPLER,
        "Rule",
        widget=forms.HiddenInput,
        **ONLY_RANDOM,
    )
    logbase = _number(
        "sampling_algorithm.logbase",
        SAMPLER,
        "Base of the log types",
        "e",
        "decimal",
        **ONLY_RANDOM,
    )
    policy = DocumentField(
        "early_termination.type",
        TERMINATION,
        "Early termination",
        read=read_policy_kind,
    )
    max_total_trials = _number("limits.max_total_trials", LIMITS, "Trials", "40")
    max_concurrent_trials = _number(
        "limits.max_concurrent_trials", LIMITS, "At a time", "4"
    )
    timeout = _duration(
        "limits.timeout",
        "Whole sweep",
        "no limit, or 1 h",
        help_text="Limits the total time.",
    )
    trial_timeout = _duration("limits.trial_timeout", "One trial", "no limit, or 10 m")
    compute = DocumentField("compute", LIMITS, "Pool", widget=forms.Select)
    experiment_name = DocumentField(
        "experiment_name",
        LIMITS,
        "Experiment",
        widget=line("digits", list="experiment-names"),
        help_text="One of the team\N{RIGHT SINGLE QUOTATION MARK}s, or a new name.",
    )
    display_name = DocumentField(
        "display_name", LIMITS, "Display name", widget=line("first look")
    )
    max_attempts = _number(
        "retries.max_attempts",
        LIMITS,
        "Attempts per trial",
        "2",
        help_text="A trial is retried only when its worker or host is lost.",
    )
    max_failed_trials = _number(
        "limits.max_failed_trials",
        LIMITS,
        "Pause after this many failed trials",
        "no limit",
    )
    description = DocumentField(
        "description",
        LIMITS,
        "Description",
        read=read_text,
        widget=lines(3, mono=False),
    )
    tags = PairsField(
        "tags", LIMITS, "Tags", plain=False, widget=lines(3, "data=optdigits")
    )
    extra = DocumentField("", LIMITS, "Without a field", widget=forms.HiddenInput)

    # Fields that the page folds away under "More".
    rare = ("display_name", "description", "tags", "max_attempts", "max_failed_trials")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for each in (*own_fields(), *common_fields()):
            self.fields[each.name] = policy_setting(each)
            if each.setting.control == "choice":
                choices = option_choices(each.setting, self.text(each.name))
                self.fields[each.name].widget.choices = choices
        kind = self.picks["collector"]
        known = CHOICES if kind in CHOICES else {**CHOICES, kind: "As in the YAML"}
        self.fields["collector"].widget.choices = known.items()

    @property
    def document_fields(self) -> Mapping[str, DocumentField]:
        """The fields with a place in the document."""
        fields = self.fields.items()
        return {n: f for n, f in fields if isinstance(f, DocumentField) and f.path}

    @property
    def texts(self) -> Mapping[str, str]:
        return {name: self.text(name) for name in self.fields}

    @cached_property
    def picks(self) -> Mapping[str, str]:
        """The picked values that other fields depend on."""
        return {
            "sampler": self.text("sampler") or "random",
            "policy": self.text("policy") or NO_POLICY,
            "code_kind": code_kind(self.texts),
            "collector": self.text("collector") or AUTOMATIC,
        }

    @cached_property
    def log_base(self) -> float:
        """The base of the logarithms of bounds of log types."""
        is_used = self.picks["sampler"] == "random"
        base = read_number(self.text("logbase")) if is_used else None
        return float(base) if is_number(base) and 1 < base <= 1e6 else math.e
