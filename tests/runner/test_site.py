"""What the answers of the site mean."""

from __future__ import annotations

import io
from typing import Any

import pytest

from experiments.runner.errors import Refused, SiteAway, StaleAttempt, Stop
from experiments.runner.http import Connection
from experiments.runner.site import Site


@pytest.fixture
def calls(site: Any) -> Site:
    return Site(site.url, attempt="41", token="run_secret")


def beat(calls: Site) -> Stop | None:
    return calls.beat(elapsed=1.5, pid=12, memory=1000)


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_the_site_s_own_no_means_stale(site: Any, calls: Site, status: int) -> None:
    site.statuses["heartbeat"] = status
    with pytest.raises(StaleAttempt, match=f"status {status}"):
        beat(calls)


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
def test_trouble_of_the_site_means_away(site: Any, calls: Site, status: int) -> None:
    site.statuses["heartbeat"] = status
    with pytest.raises(SiteAway, match=f"status {status}"):
        beat(calls)


@pytest.mark.parametrize("status", [400, 413, 422, 426, 507])
def test_other_errors_mean_refused(site: Any, calls: Site, status: int) -> None:
    site.statuses["heartbeat"] = status
    with pytest.raises(Refused, match=f"status_{status}: that is a {status}"):
        beat(calls)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(site: Any, calls: Site, status: int) -> None:
    site.statuses["heartbeat"] = status
    with pytest.raises(SiteAway, match="SWEEPSITE_URL must be the final address"):
        beat(calls)
    assert len(site.requests) == 1


def test_a_foreign_page_means_away(site: Any, calls: Site) -> None:
    site.page = b"<html>not here</html>"
    with pytest.raises(SiteAway, match="status 404"):
        beat(calls)


def test_a_closed_port_means_away(site: Any, calls: Site) -> None:
    site.go_away()
    with pytest.raises(SiteAway, match="did not answer"):
        beat(calls)


def test_a_stop_is_read_from_the_answer(site: Any, calls: Site) -> None:
    assert beat(calls) is None
    site.stop = {"reason": "policy", "message": "too slow", "grace": 3}
    assert beat(calls) == Stop("policy", "too slow", 3.0)
    site.stop = {"reason": "user"}
    assert beat(calls) == Stop("user", "user", None)
    assert site.beats[0] == {"elapsed": 1.5, "pid": 12, "memory_bytes": 1000}


def test_a_file_is_sent_with_its_name_and_digest(site: Any, calls: Site) -> None:
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    calls.send_artifact("a b/ü&.txt", sha256=digest, file=io.BytesIO(b"hello"), size=5)
    assert site.artifacts == {"a b/ü&.txt": b"hello"}


def test_a_download_of_something_missing_is_refused_and_not_stale(
    site: Any, calls: Site
) -> None:
    with pytest.raises(Refused, match="status 404"):
        list(calls.download(f"{site.url}/code/none.zip"))


@pytest.mark.parametrize("url", ["http://elsewhere/x", "file:///etc/passwd", "//e/x"])
def test_downloads_stay_on_the_site(calls: Site, url: str) -> None:
    with pytest.raises(Refused, match="is not on"):
        calls.download(url)


def test_proxies_of_the_environment_do_not_see_local_calls(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    Connection(f"{site.url}/api/worker/v1/attempts/41", "run").send_json(
        "heartbeat", {}
    )
    assert len(site.beats) == 1
