"""The code of a sweep as text, and what differs from another's."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.code import reading, snapshots
from experiments.code.reading import MAX_BYTES, MAX_COMPARED_LINES, differences
from experiments.models import CodeSnapshot, Sweep
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db
EVIL = b"<script>alert(1)</script>\n\x1b[31m\n"


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Any) -> None:
    settings.HOME = tmp_path


def code_of(**files: bytes) -> CodeSnapshot:
    named = {name.replace("__", "/").replace("_", "."): b for name, b in files.items()}
    team = factories.team(ada="viewer")
    return snapshots.store_files(team, named, user=None)


def sweep_with(code: CodeSnapshot) -> Sweep:
    return factories.sweep(code.team, code=code)


def test_files_are_shown_as_text_whatever_is_in_them() -> None:
    sweep = sweep_with(
        code_of(train_py=b"import x\n", evil_html=EVIL, w_bin=b"\0\1", e_py=b"")
    )
    ada, url = client_of("ada"), f"/sweeps/{sweep.pk}/code/"
    html = page(ada, url)
    assert '<li id="L1"><code>import x</code></li>' in html
    hostile = page(ada, f"{url}?file=evil.html")
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in hostile
    assert "not a text" in page(ada, f"{url}?file=w.bin")
    assert "The file is empty" in page(ada, f"{url}?file=e.py")
    for name in ("../../etc/passwd", "nothing.py", "%00"):
        assert ada.get(url, {"file": name}).status_code == 404
    archive = ada.get(f"/sweeps/{sweep.pk}/code.zip")
    assert archive.headers["Content-Disposition"].startswith("attachment")


def test_two_sweeps_code_is_compared_by_lines() -> None:
    old = sweep_with(code_of(a_py=b"one\ntwo\n", gone_py=b"x\n", w_bin=b"\0\1"))
    new = sweep_with(code_of(a_py=b"one\n<2>\n", new_py=b"y\n", w_bin=b"\0\2"))
    html = page(client_of("ada"), f"/sweeps/{new.pk}/code/?against={old.pk}")
    assert "4 files differ from digits-1." in html
    assert '<span class="difference-removed">-two</span>' in html
    assert '<span class="difference-added">+&lt;2&gt;</span>' in html
    assert "changed; not a text" in html
    same = page(client_of("ada"), f"/sweeps/{new.pk}/code/?against={new.pk}")
    assert "is the same as that of" in same


def test_what_is_large_is_named_and_not_compared() -> None:
    many = b"x\n" * (MAX_COMPARED_LINES + 1)
    old = code_of(a_py=b"", b_py=b"", c_py=b"same")
    new = code_of(a_py=many, b_py=b"y" * (MAX_BYTES + 1), c_py=b"same")
    found, left_out = differences(old, new)
    assert [each.note.split(",")[0] for each in found] == [
        "more than 2",
        "too large to show: 1",
    ]
    assert left_out == 0


def test_strangers_and_other_teams_code_stay_out() -> None:
    sweep = sweep_with(code_of(a_py=b"one\n"))
    eve = factories.team("Chemistry", eve="member")
    own = factories.sweep(
        eve, code=snapshots.store_files(eve, {"a.py": b"2"}, user=None)
    )
    client = client_of("eve")
    for path in ("code/", "code.zip"):
        assert client.get(f"/sweeps/{sweep.pk}/{path}").status_code == 404
    url = f"/sweeps/{own.pk}/code/?against={sweep.pk}"
    assert client.get(url).status_code == 404


def test_comparing_ends_after_some_seconds_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = sweep_with(code_of(**{f"f{n}_py": b"1\n" for n in range(3)}))
    new = sweep_with(code_of(**{f"f{n}_py": b"2\n" for n in range(3)}))
    clock = itertools.count(step=4.0)
    timer = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr(reading, "time", timer)
    html = page(client_of("ada"), f"/sweeps/{new.pk}/code/?against={old.pk}")
    assert html.count('<span class="difference-added">+2</span>') == 1
    words = "changed; not compared: all files together took longer than 5 seconds"
    assert html.count(words) == 2
