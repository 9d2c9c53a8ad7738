"""The builder's form without the search space: every field of the document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms

from experiments.pages.builder.code.fields import (
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
    NumberField,
    PairsField,
    PartForm,
    SecondsField,
    line,
    lines,
    no_faults,
)
from experiments.pages.builder.policy_fields import (
    CONTROLS,
    NO_POLICY,
    option_choices,
    policies_faults,
    shown_settings,
)
from experiments.pages.form_fields import read_number
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
from experiments.search.termination.settings import Setting

# The sampler of a new form, which the page proposes.
PROPOSED = "auto"
ONLY_RANDOM = ("sampler", "random")
ONLY_GIT = ("code_kind", GIT)
REPOSITORY = "https://git.example.org/team/project.git"
COMMAND = "python train.py --lr ${{search_space.learning_rate}}"
SAMPLE = "epoch 3: loss=0.31 accuracy=0.91"


def read_text(text: str) -> JSONValue:
    """Text of several lines; None for an empty one."""
    return text.replace("\r\n", "\n") if text.strip() else None


def read_policy_kind(text: str) -> JSONValue:
    """A policy's type; None for no policy."""
    kind = text.strip()
    return None if kind == NO_POLICY else kind or None


def policy_field(name: str, setting: Setting, kinds: Sequence[str]) -> DocumentField:
    """A setting of early termination, with the control that it declares."""
    control = setting.control
    read, write = CONTROLS[control]
    widgets: Mapping[str, type[forms.Widget]] = {
        "check": forms.CheckboxInput,
        "choice": forms.Select,
    }
    return DocumentField(
        f"early_termination.{name}",
        TERMINATION,
        setting.label or name.replace("_", " "),
        setting.placeholder,
        read=read,
        write=write,
        faults=policies_faults if control == "lines" else no_faults,
        only=("policy", *kinds),
        help_text=setting.help,
        widget=widgets.get(control),
        rows=4 if control == "lines" else 0,
        mode="decimal",
    )


class SettingsForm(PartForm):
    """All fields that are not rows. Their names are those of the POST.

    `initial` has the texts of a sweep that has started, if it is one.
    """

    code_kind = DocumentField("", RUN, "Code from")
    code = DocumentField("", RUN, "Code", widget=forms.HiddenInput)
    refused = DocumentField("", RUN, "Files", widget=forms.HiddenInput)
    files = DocumentField("", RUN, "Files", widget=forms.FileInput)  # type: ignore[assignment]
    git_url = DocumentField(
        "trial.code.git.url", RUN, "Repository", REPOSITORY, mode="url", only=ONLY_GIT
    )
    git_ref = DocumentField(
        "trial.code.git.ref",
        RUN,
        "Branch, tag or commit",
        "default branch",
        only=ONLY_GIT,
    )
    git_path = DocumentField(
        "trial.code.git.path",
        RUN,
        "Folder in the repository",
        "the whole repository",
        only=ONLY_GIT,
    )
    folder = DocumentField("", RUN, "Folder on the workers", "/srv/code/digits")
    command = DocumentField(
        "trial.command", RUN, "Command", COMMAND, read=read_text, rows=2
    )
    python = DocumentField(
        "trial.python", RUN, "Python", "the pool's, or the worker's own"
    )
    requirements = DocumentField(
        "trial.requirements",
        RUN,
        "Requirements",
        "requirements.txt, or one package per line",
        read=read_requirements,
        write=write_requirements,
        rows=1,
    )
    inputs = PairsField(
        "inputs", RUN, "Inputs, the same for every trial", "epochs=30", plain=True
    )
    environment = PairsField(
        "trial.environment_variables",
        RUN,
        "Environment variables",
        "OMP_NUM_THREADS=1",
    )
    primary_metric = DocumentField(
        "objective.primary_metric", OBJECTIVE, "Primary metric", "accuracy"
    )
    goal = DocumentField("objective.goal", OBJECTIVE, "Goal")
    # The goal that the metric's name suggests, while nobody has chosen another.
    guessed_goal = DocumentField("", OBJECTIVE, "Goal", widget=forms.HiddenInput)
    target = NumberField(
        "objective.target", OBJECTIVE, "Target", "no target", mode="decimal"
    )
    collector = DocumentField(
        "",
        OBJECTIVE,
        "The worker reads",
        write=lambda value: AUTOMATIC,
        widget=forms.Select,
        help_text="What the script logs itself, with sweepsite_client or MLflow,"
        " always counts and comes first.",
    )
    collector_pattern = DocumentField(
        f"{FIELD}.{STDOUT}.pattern",
        OBJECTIVE,
        "Pattern, a regular expression",
        r"epoch (?P<epoch>\d+): acc (?P<accuracy>\S+)",
        read=read_text,
        only=("collector", REGEX),
        help_text="Named groups: name and value, or the metric's own name; also step"
        " or epoch.",
    )
    collector_metrics = DocumentField(
        f"{FIELD}.{STDOUT}.metrics",
        OBJECTIVE,
        "Other metrics",
        "loss, f1",
        read=read_names,
        write=write_names,
        only=("collector", *FORMATS),
    )
    collector_folder = DocumentField(
        f"{FIELD}.{TENSORBOARD}.path",
        OBJECTIVE,
        "Folder",
        "outputs",
        only=("collector", TENSORBOARD),
        help_text="Below the trial's working folder.",
    )
    collector_file = DocumentField(
        f"{FIELD}.{FILE}.path",
        OBJECTIVE,
        "File",
        "metrics.csv",
        only=("collector", FILE),
        help_text="Below the trial's working folder. The name's ending says the"
        " format: csv, json or jsonl; others have name=value.",
    )
    collector_sample = DocumentField(
        "", OBJECTIVE, "Try it: paste lines of your output", SAMPLE, rows=4
    )
    sampler = DocumentField("sampling_algorithm.type", SAMPLER, "Sampler")
    seed = NumberField(
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
        only=ONLY_RANDOM,
        widget=forms.HiddenInput,
    )
    logbase = NumberField(
        "sampling_algorithm.logbase",
        SAMPLER,
        "Base of the log types",
        "e",
        only=ONLY_RANDOM,
        mode="decimal",
    )
    policy = DocumentField(
        "early_termination.type",
        TERMINATION,
        "Early termination",
        read=read_policy_kind,
    )
    max_total_trials = NumberField("limits.max_total_trials", LIMITS, "Trials", "40")
    max_concurrent_trials = NumberField(
        "limits.max_concurrent_trials", LIMITS, "At a time", "4"
    )
    timeout = SecondsField(
        "limits.timeout",
        LIMITS,
        "Whole sweep",
        "no limit, or 1 h",
        help_text="Limits the total time.",
    )
    trial_timeout = SecondsField(
        "limits.trial_timeout", LIMITS, "One trial", "no limit, or 10 m"
    )
    compute = DocumentField("compute", LIMITS, "Pool", widget=forms.Select)
    experiment_name = DocumentField(
        "experiment_name",
        LIMITS,
        "Experiment",
        widget=line("digits", list="experiment-names"),
        help_text="One of the team\N{RIGHT SINGLE QUOTATION MARK}s, or a new name.",
    )
    display_name = DocumentField("display_name", LIMITS, "Display name", "first look")
    max_attempts = NumberField(
        "retries.max_attempts",
        LIMITS,
        "Attempts per trial",
        "2",
        help_text="A trial is retried only when its worker or host is lost.",
    )
    priority = NumberField(
        "priority",
        LIMITS,
        "Priority",
        "0",
        help_text="Sweeps with a higher priority start trials first.",
    )
    max_failed_trials = NumberField(
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
    tags = PairsField("tags", LIMITS, "Tags", "data=optdigits", rows=3)
    extra = DocumentField("", LIMITS, "Without a field", widget=forms.HiddenInput)

    # Fields that the page folds away under "More".
    rare = (
        *("display_name", "description", "tags"),
        *("max_attempts", "max_failed_trials", "priority"),
    )
    # What a sweep that has started can change, besides early termination and rows.
    changeable = frozenset(
        {"policy", "max_total_trials", "max_concurrent_trials", "max_failed_trials"}
        | {"timeout", "trial_timeout", "display_name", "description", "tags"}
        | {"priority"}
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            field.disabled = bool(self.initial) and name not in self.changeable
        for name, (setting, kinds) in shown_settings().items():
            self.fields[name] = policy_field(name, setting, kinds)
            if setting.control == "choice":
                choices = option_choices(setting, self.text(name))
                self.fields[name].widget.choices = choices
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
