"""The log on a page: its end, places in it, and what a reader looks for."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.test import Client

from experiments import storage
from experiments.models import Trial
from experiments.pages.log_text import MAX_LINE_LENGTH, MAX_LINES
from experiments.pages.log_view import LogChoice, LogView, view_of
from experiments.runner.log_marks import Marker, Stream
from tests import factories
from tests.pages.clients import page

EPOCHS = b"".join(b"epoch %d: loss=0.%d\n" % (n, n) for n in range(1_000))


def view(log: bytes, query: str = "") -> LogView:
    return view_of(log, LogChoice.of(QueryDict(query)))


def texts(log: bytes, query: str = "") -> list[str]:
    return [line.text for line in view(log, query).lines]


def found(log: bytes, query: str) -> list[str]:
    spans = (span for line in view(log, query).lines for span in line.spans)
    return [span.text for span in spans if span.found]


def test_the_end_is_shown_first() -> None:
    shown = view(EPOCHS)
    assert (shown.first, shown.last, shown.total) == (701, 1000, 1000)
    assert shown.lines[-1].text == "epoch 999: loss=0.999"
    assert shown.is_at_end and shown.later_url == ""
    assert shown.earlier_url == "?line=401#log"


def test_an_empty_log_has_nothing_earlier() -> None:
    assert view(b"").earlier_url == ""


def test_links_lead_through_the_whole_log() -> None:
    first = view(EPOCHS, "line=1&times=1")
    assert (first.first, first.last, first.earlier_url) == (1, MAX_LINES, "")
    assert first.later_url == f"?times=1&line={MAX_LINES + 1}#log"
    assert first.end_url == "?times=1#log"
    assert view(EPOCHS, "back=300").last == 700
    assert view(EPOCHS, "line=99999").lines


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("epoch 3", 1),
        ("EPOCH 3:", 1),
        ("epoch", 1000),
        ("loss=0.4", 1),
        ("3 epoch", 0),
        ("0.9.9", 0),
        ("%C3%A4", 0),
    ],
)
def test_the_exact_words_are_found_in_the_whole_log(words: str, count: int) -> None:
    assert view(EPOCHS, f"find={words.replace(' ', '+')}").matches == count


def test_found_words_are_marked_and_stepped_through() -> None:
    log = b"\x1b[31mloss\x1b[0m=1 loss=1\n" + b"other\n" * 500 + b"a loss\n"
    shown = view(log, "find=loss")
    assert (shown.match, shown.matches, shown.words) == (2, 2, "2 of 2 lines found")
    assert [line.text for line in shown.lines if line.picked] == ["a loss"]
    assert shown.next_url == "?find=loss&match=1#log"
    assert found(log, "find=loss&match=1") == ["loss", "loss"]
    assert found(log, "find=ss%3D1+lo&match=1") == ["ss", "=1 lo"]
    assert view(log, "find=gain").words == "No line has \u201cgain\u201d"


def test_a_found_line_is_shown_whole() -> None:
    log = b"x" * 3 * MAX_LINE_LENGTH + b" end\n" + b"y" * 2 * MAX_LINE_LENGTH + b"\n"
    picked, other = view(log, "find=end").lines
    assert picked.text.endswith(" end") and picked.cut == 0
    assert len(other.text) == other.cut == MAX_LINE_LENGTH


def test_streams_are_told_apart_and_lines_stay_whole() -> None:
    marker = Marker(lambda: 1_000)
    parts = ((b"\r10 %", "e"), (b"one\n", "o"), (b"\r20 %\n", "e"), (b"[s: x]\n", "r"))
    log = b"".join(marker.mark(data, Stream(stream)) for data, stream in parts)
    assert texts(log) == ["one", "20 %", "[s: x]"]
    assert texts(log, "stream=err") == ["20 %", "[s: x]"]
    assert texts(log, "stream=out") == ["one", "[s: x]"]
    assert [line.is_error for line in view(log).lines] == [False, True, False]
    times = {line.time.timestamp() for line in view(log).lines if line.time}
    assert times == {1_000.0}


def test_a_progress_bar_in_many_pieces_is_its_last_state() -> None:
    now = [0.0]
    marker = Marker(lambda: now[0])
    log = b""
    for share in range(500):
        now[0] += 1
        log += marker.mark(b"\r%d of 500" % share, Stream.ERR)
        log += marker.mark(b"step %d\n" % share, Stream.OUT)
    assert texts(log)[-2:] == ["step 499", "499 of 500"]
    assert texts(log + marker.mark(b"\r   \r", Stream.ERR))[-1] == "499 of 500"


@pytest.mark.parametrize("query", ["line=-1", "match=x&back=1e9", "find=+"])
def test_what_makes_no_sense_shows_the_end(query: str) -> None:
    assert view(b"one\ntwo\n", query).last == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("own_data_folder")
def test_the_page_and_its_part_show_what_the_url_says(ada: Client) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.5])
    put(trial, EPOCHS + b"<b>last</b>\n")
    html = page(ada, f"{trial.get_absolute_url()}?find=epoch+3&metric=x")
    assert "1 of 1 line found" in html and "<mark>epoch 3</mark>" in html
    assert '<input type="hidden" name="metric" value="x">' in html
    part = page(ada, f"{trial.get_absolute_url()}log/part?find=%3Cb%3E")
    assert "<mark>&lt;b&gt;</mark>last" in part and "<html" not in part
    assert "The last 300 lines" in page(ada, f"{trial.get_absolute_url()}log/part")


def put(trial: Trial, log: bytes) -> None:
    attempt_id = trial.current_attempt_id or 0
    storage.append_log(attempt_id, b"first\n" * 30_000 + log)


@pytest.mark.django_db
def test_what_a_log_had_no_room_for_is_said(ada: Client) -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    factories.claim(trial)
    trial.attempts.update(log_dropped=199 * 10**6)
    html = page(ada, trial.get_absolute_url())
    assert "The worker dropped 199 MB of output: a log may not be larger." in html
