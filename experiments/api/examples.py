"""An example of each body, for the API's description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

JSON = "application/json"
DOCUMENT: Mapping[str, Any] = {
    "experiment_name": "digits",
    "trial": {
        "command": "python train.py --lr ${{search_space.lr}}",
        "code": {"files": {"train.py": "print('accuracy=0.9')"}},
    },
    "search_space": {
        "lr": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        "batch_size": {"type": "choice", "values": [16, 32, 64]},
    },
    "sampling_algorithm": "random",
    "objective": {"primary_metric": "accuracy", "goal": "maximize"},
    "early_termination": {"type": "median_stopping", "delay_evaluation": 5},
    "limits": {"max_total_trials": 20, "max_concurrent_trials": 4},
}
POINTS: Mapping[str, Any] = {"points": [{"name": "accuracy", "step": 0, "value": 0.5}]}
MOVE: Mapping[str, Any] = {"team": "vision", "dry_run": True}
SELECTION: Mapping[str, Any] = {"team": "vision", "older_than": 30, "not_best": 10}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "POST /sweeps": DOCUMENT,
    "POST /sweeps/check": DOCUMENT,
    "PUT /sweeps/{sweep_id}/document": DOCUMENT,
    "PATCH /sweeps/{sweep_id}": {
        "limits": {"max_total_trials": 50},
        "notes": "Longer.",
    },
    "POST /sweeps/{sweep_id}/pause": {"running": "requeue"},
    "POST /sweeps/{sweep_id}/warm-start": {"trials": [41, 42]},
    "POST /sweeps/{sweep_id}/extend": {"trials": 20},
    "POST /sweeps/{sweep_id}/simulations": {
        "policies": [{"type": "median_stopping"}, {"type": "asha"}]
    },
    "POST /sweeps/{sweep_id}/trials": {"params": {"lr": 0.01, "batch_size": 32}},
    "POST /sweeps/{sweep_id}/ask": {"client_id": "host-1"},
    "POST /sweeps/{sweep_id}/again": {"trials": [3, 8], "to_end": True},
    "POST /sweeps/{sweep_id}/backfill": {"dry_run": True},
    "POST /sweeps/{sweep_id}/failures/remedy": {"remedy": "retry"},
    "POST /sweeps/{sweep_id}/preflight/remedy": {"remedy": "repeat"},
    "POST /sweeps/{sweep_id}/advice/dismiss": {"keys": ["widen:lr"]},
    "POST /sweeps/{sweep_id}/report-links": {"meant_for": "Nina", "days": 7},
    "POST /sweeps/{sweep_id}/transfer": MOVE,
    "PATCH /trials/{trial_id}": {"tags": {"kept": "yes"}, "note": "The best so far."},
    "POST /trials/{trial_id}/metrics": POINTS,
    "POST /trials/{trial_id}/finish": {"state": "completed"},
    "POST /trials/{trial_id}/retry": {"to_end": True},
    "POST /trials/{trial_id}/clone": {"params": {"lr": 0.02}},
    "POST /annotations": {"trials": [41, 42], "tags": {"kept": "yes"}},
    "POST /runs": {"experiment": "digits", "name": "svm", "params": {"C": 10}},
    "PATCH /runs/{run_id}": {"name": "svm-2", "tags": {"gpu": "no"}},
    "POST /runs/{run_id}/params": {"params": {"gamma": 0.001}},
    "POST /runs/{run_id}/tags": {"tags": {"gpu": "no"}},
    "POST /runs/{run_id}/metrics": POINTS,
    "POST /runs/{run_id}/finish": {"state": "completed"},
    "POST /experiments": {
        "name": "digits",
        "question": "How wide?",
        "tags": ["vision"],
    },
    "PATCH /experiments/{experiment_id}": {"notes": "Wider is **better**."},
    "POST /experiments/{experiment_id}/transfer": MOVE,
    "POST /experiments/{experiment_id}/views": {
        "page": "trials",
        "name": "good",
        "query": "q=accuracy+%3E+0.9",
    },
    "PATCH /views/{view_id}": {"name": "better"},
    "POST /templates": {"name": "digits", "document": DOCUMENT},
    "PATCH /templates/{template_id}": {"name": "letters"},
    "POST /tokens": {"name": "notebook", "scope": "write", "days": 30},
    "POST /tokens/{token_id}/renew": {"days": 30},
    "POST /people": {"username": "nina", "email": "nina@example.org"},
    "PATCH /people/{person_id}": {"active": False},
    "POST /teams": {"name": "Vision", "pools": ["gpu"]},
    "PATCH /teams/{slug}": {"name": "Vision and speech"},
    "POST /teams/{slug}/members": {"username": "nina", "role": "member"},
    "PATCH /teams/{slug}/members/{user_id}": {"role": "viewer"},
    "POST /teams/{slug}/invitations": {"meant_for": "Nina", "days": 7},
    "POST /teams/{slug}/service-accounts": {"username": "vision-ci"},
    "POST /pools": {"name": "gpu", "teams": ["vision"], "price_per_hour": 1.2},
    "PATCH /pools/{name}": {"price_per_hour": 1.5},
    "POST /pools/{name}/hosts/{host_id}/drain": {"reason": "new disk"},
    "POST /notifications/channels": {
        "kind": "slack",
        "name": "#digits",
        "address": "https://hooks.slack.com/services/…",
        "kinds": ["finished", "failed"],
        "team": "vision",
    },
    "PATCH /notifications/channels/{channel_id}": {"kinds": ["finished"]},
    "PUT /experiments/{experiment_id}/watch": {"level": "all"},
    "PUT /space/quotas/{team}": {"quota_bytes": 40_000_000_000},
    "POST /cleanup/plan": SELECTION,
    "POST /cleanup/move": SELECTION,
    "POST /cleanup/rules": {"team": "vision", "kind": "logs", "older_than": 90},
    "PATCH /cleanup/rules/{rule_id}": {"enabled": False},
}


class DescribedAPI(NinjaAPI):
    """Its description has the examples. Making it takes a second or two, and everybody
    may ask for it, so each process makes it once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: dict[str, OpenAPISchema] = {}

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        key = repr(options)
        if key not in self._made:
            self._made[key] = _with_examples(super().get_openapi_schema(**options))
        return self._made[key]


def _with_examples(schema: OpenAPISchema) -> OpenAPISchema:
    for route, body in EXAMPLES.items():
        method, path = route.split(" ")
        known = (found for found in schema["paths"] if found.endswith(path))
        full = min(known, key=len)
        content = schema["paths"][full][method.lower()]["requestBody"]["content"]
        content[JSON]["example"] = body
    return schema
