"""Where a page is described in the documentation: its link *Help* in the top bar."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from experiments.pages.help.manual import address_of

# Name of the page's route: file and heading.
TOPICS: Mapping[str, str] = {
    "home": "quick-start.md#2-watch-the-demo",
    "sweep_create": "quick-start.md#5-start-your-own",
    "sweep_edit": "steering.md#changing-a-running-sweep",
    "sweep_import": "importing.md",
    "template_list": "quick-start.md#your-entries-are-kept",
    "experiment_list": "finding.md",
    "experiment_detail": "finding.md#an-experiments-page",
    "about": "finding.md#names-tags-and-notes",
    "search": "finding.md#search",
    "sweep_detail": "quick-start.md#2-watch-the-demo",
    "sweep_trials": "trials.md",
    "sweep_charts": "charts.md",
    "sweep_settings": "sweep-document.md",
    "sweep_failures": "troubleshooting.md#my-trials-fail",
    "sweep_report": "share-results.md",
    "sweep_extend": "steering.md",
    "sweep_add_trial": "steering.md",
    "sweep_backfill": "steering.md",
    "simulator": "policy-simulator.md",
    "trial_detail": "quick-start.md#3-see-why-a-trial-was-ended-early",
    "trial_system": "reproduce.md#what-a-trial-uses",
    "trial_reproduce": "reproduce.md#what-a-trial-ran-with",
    "sweep_code": "reproduce.md#the-code-of-a-sweep",
    "run_detail": "runs.md",
    "warm_start": "runs.md",
    "compare": "comparing.md",
    "compare_sweeps": "comparing.md",
    "pool_list": "administration.md#pools-and-their-queue",
    "pool_detail": "administration.md#pools-and-their-queue",
    "pool_edit": "administration.md#pools-and-their-queue",
    "pool_start": "administration.md#pools-and-their-queue",
    "cleanup": "administration.md#space",
    "audit": "accounts.md#audit-log",
    "health": "administration.md#health-and-metrics",
    "people": "accounts.md#people",
    "team_detail": "accounts.md",
    "profile": "accounts.md",
    "token_create": "accounts.md#api-tokens",
    "mfa_index": "accounts.md#two-factor",
}


def help_url(request: HttpRequest) -> str:
    """That of the page's own topic, else of the index."""
    match = getattr(request, "resolver_match", None)
    topic = TOPICS.get(match.url_name or "", "") if match else ""
    path, _, anchor = (topic or "README.md").partition("#")
    return address_of(path) + (f"#{anchor}" if anchor else "")
