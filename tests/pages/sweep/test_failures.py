"""The page of failures, and what may be done about them."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from experiments import lifecycle, storage
from experiments.failures import groups
from experiments.models import Sweep, Trial
from experiments.pages.failures import Failure, advice
from experiments.pages.sweep.failure_comparison import bars_of
from experiments.scheduling import ask, rounds
from experiments.tracking.axes import ChartAxis
from tests import factories
from tests.pages.clients import client_of, model
from tests.pages.sweep.failed_sweeps import oom, run, sweep, text_of

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert('x')</script>\u202e"


def test_the_card_groups_errors_and_says_what_the_failed_share() -> None:
    made = oom(sweep())
    text = text_of(made)
    assert "The sweep was paused after 6 failed trials with the same error." in text
    assert "The likely cause of all 6: memory ran out, with batch 64 or 128." in text
    assert 'Tried to allocate <span class="failure-blank">‹size›</span>' in text
    assert "Against the 12 trials that ran" in text
    assert '<tr class="is-telling"><th scope="row">batch</th>' in text
    assert "batch can be 8, 16, 64 or 128, so about 50 %" in text
    assert text.count("is-telling") == 1
    assert "Resume with batch &lt; 64" in text


def test_what_the_failed_share_is_drawn_on_both_pages() -> None:
    made = oom(sweep())
    for path in ("", "failures/"):
        page = client_of("ada").get(f"/sweeps/{made.pk}/{path}").content.decode()
        chart = model(page, "shares-model")
        assert (chart["failed"], chart["ran"]) == (6, 12)
        assert [each["name"] for each in chart["parameters"]] == ["batch"]
        bars = chart["parameters"][0]["bars"]
        assert [(b["tick"], b["failed"], b["ran"]) for b in bars] == [
            ("8", 0, 6),
            ("16", 0, 6),
            ("64", 3, 0),
            ("128", 3, 0),
        ]
        assert 'data-chart="shares"' in page
        assert "batch: 64, 128 in the failed, 8, 16 in those that ran." in page
        assert "vendor/chart.js" in page
    page = client_of("eve").get(f"/sweeps/{made.pk}/failures/").content.decode()
    assert 'data-chart="shares"' in page


def test_where_nothing_tells_there_is_nothing_to_draw() -> None:
    made = sweep()
    for batch in (8, 16, 64, 128) * 2:
        run(made, batch, "ValueError: boom\n")
        run(made, batch)
    page = client_of("ada").get(f"/sweeps/{made.pk}/failures/").content.decode()
    assert "No shared value explains the failures." in page
    assert "data-chart" not in page and "vendor/chart.js" not in page


def test_the_feed_brings_the_picture_as_well() -> None:
    made = oom(sweep())
    Trial.objects.filter(sweep=made).update(value=None)
    answer = client_of("ada").get(f"/sweeps/{made.pk}/feed.json").json()
    assert 'data-chart="shares"' in answer["parts"]["answers"]
    assert len(model(answer["parts"]["answers"], "shares-model")["parameters"]) == 1


def drawn(name: str, failed: list[Any], ran: list[Any], **axis: Any) -> list[Any]:
    whole: Any = ChartAxis(
        name=name, kind="", log=False, low=None, high=None, values=[]
    )
    found = bars_of(
        name,
        whole | axis,
        [{name: value} for value in failed],
        [{name: value} for value in ran],
    )
    return [(bar["label"], bar["failed"], bar["ran"]) for bar in found["bars"]]


def test_many_numbers_are_drawn_as_parts_of_their_range() -> None:
    ran = [k / 100 for k in range(1, 101)]
    bars = drawn("x", [0.95, 1.0, 1.0], ran)
    assert len(bars) == 10
    assert sum(bar[2] for bar in bars) == 100
    assert bars[-1][1:] == (3, 10) or bars[-1][1:] == (3, 11)
    bars = drawn("x", [0.01] * 3, [10.0**-k for k in range(14)], log=True)
    assert [bar[2] for bar in bars].count(0) <= 1, "by its logarithm"


def test_values_of_any_kind_have_bars_and_rare_ones_share_one() -> None:
    assert drawn("x", [True, None], ["a", [1, 2], "a"], values=["b"]) == [
        *[("b", 0, 0), ("true", 1, 0), ("a", 0, 2), ("[1, 2]", 0, 1)],
        ("not set", 1, 0),
    ]
    many = drawn("x", ["common"] * 3, [f"rare {k}" for k in range(20)])
    assert len(many) == 13
    assert many[-1] == ("others", 0, 9)
    assert max(len(bar[0]) for bar in drawn("x", ["y" * 500], [])) <= 60


def test_groups_and_logs_can_be_picked() -> None:
    made = oom(sweep())
    other = run(made, 8, "KeyError: 'lr'\n")[0]
    text = text_of(made)
    assert "All errors" in text
    assert "The error of 6" in text
    signature = Trial.objects.get(pk=other.pk).current_attempt.signature
    picked = text_of(made, f"failures/?signature={signature}")
    assert "KeyError: &#x27;lr&#x27;</p>" in picked
    assert 'aria-current="true">13</a>' in text_of(made, "failures/?failed=13")
    for query in ("failed=x", "failed=99999999999", "signature=<x>", "failed=0"):
        assert (
            client_of("ada").get(f"/sweeps/{made.pk}/failures/?{query}").status_code
            == 200
        )


def test_hostile_logs_names_and_values_stay_text() -> None:
    document = factories.definition_document(
        trial={"command": "python train.py"},
        search_space={"x": {"type": "choice", "values": [HOSTILE, "b"]}},
    )
    made = factories.sweep(factories.team(ada="member"), document=document)
    for value, failed in ((HOSTILE, True), ("b", False)) * 4:
        trial = factories.trial(made, params={"x": value})
        attempt = factories.claim(trial).attempt
        if not failed:
            factories.report(trial, [0.5])
        storage.append_log(attempt.pk, f"Error: {HOSTILE}\n".encode())
        outcome = lifecycle.Outcome(cause="exited", exit_code=int(failed))
        groups.store_signature(attempt, outcome)
        lifecycle.finish_attempt(attempt, outcome)
    for path in ("", "failures/"):
        text = text_of(made, path)
        assert "<script>alert" not in text
        error = text.partition('class="failure-error mono">')[2].partition("</p>")[0]
        assert "\u202e" not in error


def test_a_sweep_that_goes_on_has_one_line_about_it() -> None:
    made = oom(sweep())
    Sweep.objects.filter(pk=made.pk).update(state="running")
    text = text_of(made, "")
    assert "6 of 18 trials failed, 6 with the same error: RuntimeError" in text
    assert "These have batch 64 or 128." in text
    assert f"/sweeps/{made.pk}/failures/" in text
    assert "Why trials failed" not in text


def test_the_page_costs_as_much_for_many_failures_as_for_few(
    django_assert_max_num_queries: Any,
) -> None:
    made = oom(sweep())
    costs = []
    # The first one reads the trials into memory.
    for _ in range(3):
        with django_assert_max_num_queries(45) as queries:
            client_of("ada").get(f"/sweeps/{made.pk}/failures/")
        costs.append(len(queries))
        run(made, 128, "RuntimeError: CUDA out of memory\n", count=8)
    assert costs[1] == costs[2]


def test_what_is_compared_with_where_nothing_ran_is_an_earlier_sweep() -> None:
    run(sweep(), 8, count=8)
    made = sweep()
    run(made, 128, "ValueError: boom\n", count=5)
    assert "Against the 8 trials of digits-1 that ran" in text_of(made)


def test_leaving_the_region_out_changes_the_space_and_goes_on() -> None:
    made = oom(sweep())
    answer = client_of("ada").post(f"/sweeps/{made.pk}/remedy/", {"remedy": "exclude"})
    assert answer.status_code == 302
    made.refresh_from_db()
    assert made.state == "running"
    assert made.definition["constraints"] == ["batch < 64"]


def test_of_an_ended_sweep_a_draft_is_made() -> None:
    made = oom(sweep())
    Sweep.objects.filter(pk=made.pk).update(state="failed")
    answer = client_of("ada").post(f"/sweeps/{made.pk}/remedy/", {"remedy": "exclude"})
    draft = Sweep.objects.latest("pk")
    assert answer["Location"] == f"/sweeps/{draft.pk}/edit/"
    assert (draft.state, draft.definition["constraints"]) == ("draft", ["batch < 64"])


def test_the_failed_trials_run_again() -> None:
    made = oom(sweep())
    client_of("ada").post(f"/sweeps/{made.pk}/remedy/", {"remedy": "retry"})
    made.refresh_from_db()
    factories.worker(made.pool)
    rounds.advance_all()
    again = made.trials.order_by("-number").first()
    assert made.state == "running"
    assert again.origin_text.startswith("retry of 1")


def test_going_on_and_choices_that_there_are_not() -> None:
    made = oom(sweep())
    for value in ("", "nosuch", "more_memory"):
        client_of("ada").post(f"/sweeps/{made.pk}/remedy/", {"remedy": value})
        made.refresh_from_db()
        assert made.state == "paused"
    client_of("ada").post(f"/sweeps/{made.pk}/remedy/", {"remedy": "resume"})
    made.refresh_from_db()
    assert made.state == "running"


def test_viewers_see_what_failed_and_do_nothing() -> None:
    made = oom(sweep())
    viewer = client_of("eve")
    page = viewer.get(f"/sweeps/{made.pk}/failures/").content.decode()
    assert "memory ran out" in page
    assert "What to do" not in page
    for path in ("remedy", "preflight"):
        answer = viewer.post(f"/sweeps/{made.pk}/{path}/", {"remedy": "resume"})
        assert answer.status_code == 403


def asked(*, client_name: str = "") -> Trial:
    """A trial of a process that this site did not start."""
    made = factories.sweep(
        factories.team(ada="member"),
        document=factories.definition_document(
            trial=None,
            launches=False,
            limits={"max_total_trials": 4, "max_concurrent_trials": 2},
        ),
    )
    return ask.ask(made, client=client_name).attempt.trial


@pytest.mark.parametrize(
    ("fields", "advised"),
    [
        ({"exit_code": 1}, "Look where it was started (host-1)"),
        ({"exit_code": 2}, "Look where it was started (host-1)"),
        ({"signal": 9}, "memory ran out on its machine"),
        ({"signal": 11}, "Look where it was started (host-1)"),
    ],
)
def test_what_helps_where_no_worker_ran_it(
    fields: dict[str, int], advised: str
) -> None:
    trial = asked(client_name="host-1")
    outcome = lifecycle.Outcome(cause="exited", elapsed=2.0, **fields)  # type: ignore[arg-type]
    lifecycle.finish_attempt(trial.current_attempt, outcome)
    assert advised in page_of(trial)
    for unfit in ("by hand", "of the log", "slots on the host", "a worker"):
        assert unfit not in advice_in(trial)


def test_what_helps_where_a_process_that_asked_fell_silent() -> None:
    trial = asked()
    for _ in range(3):
        trial.refresh_from_db()
        if trial.state == "failed":
            break
        if trial.state == "queued":
            ask.ask(trial.sweep)
            trial.refresh_from_db()
        factories.lose(trial.current_attempt)
    assert advice_in(trial).startswith("Check whether the process still runs")
    assert "sent no heartbeat" in page_of(trial)


def advice_in(trial: Trial) -> str:
    trial.refresh_from_db()
    return " ".join(map(str, advice(Failure(trial))))


def page_of(trial: Trial) -> str:
    return unescape(client_of("ada").get(f"/trials/{trial.pk}/").content.decode())
