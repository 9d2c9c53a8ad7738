"""How quickly pages of a large sweep open and follow it:
``python -m tests.benchmarks.dashboard [--trials 10000] [--optuna PYTHON]``.

A web server and its queue, without a scheduler, and headless Chromium. CPU times depend
less on what else the machine does than wall times do, so both are printed. PYTHON
belongs to an environment with optuna-dashboard, which then shows the same trials.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
CHANGED, VIEWERS, SECONDS = 20, 20, 10.0
POLL = 1.5
DRAWN = """() => [...document.querySelectorAll("canvas, svg.chart, [data-chart] svg")]
  .some((each) => {
    if (each.tagName !== "CANVAS") return each.children.length > 3;
    if (!each.width || !each.height) return false;
    const box = [0, 0, each.width, each.height];
    return each.getContext("2d").getImageData(...box).data.some((value) => value > 0);
  })"""
ROW = "() => document.querySelectorAll('tbody tr, .MuiDataGrid-row').length > 5"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--times", type=int, default=3, help="openings of a page")
    parser.add_argument("--home", type=Path, help="a filled data folder")
    parser.add_argument("--optuna", help="a Python with optuna-dashboard")
    return parser.parse_args()


def main() -> None:
    wanted = arguments()
    with contextlib.ExitStack() as stack:
        home = wanted.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ.update(SWEEPSITE_HOME=str(home), DJANGO_ALLOW_ASYNC_UNSAFE="1")
        # A generated password would have to be changed first.
        os.environ.setdefault("SWEEPSITE_ADMIN_PASSWORD", secrets.token_urlsafe())
        prepare(wanted)
        stack.enter_context(queue_of(home))
        site = Site.prepared()
        stack.enter_context(site.served())
        from tests.browser_launch import chromium, required_chromium

        for line in ingest(site):
            print(line, flush=True)
        for line in polls(site):
            print(line, flush=True)
        browser = stack.enter_context(chromium(required_chromium()))
        visitor = Visitor(browser, site.url, site.cookie)
        for line in opened(visitor, site, times=wanted.times):
            print(line, flush=True)
        if wanted.optuna:
            for line in beside(browser, site, wanted):
                print(line, flush=True)


def prepare(wanted: argparse.Namespace) -> None:
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "setup"], check=True, stdout=subprocess.DEVNULL)
    if wanted.home:
        return
    began = time.perf_counter()
    numbers = ["--trials", str(wanted.trials), "--points", str(wanted.points)]
    running = ["--running", str(CHANGED)]
    subprocess.run([*manage, "fill", *numbers, *running], check=True)
    print(f"filled in {time.perf_counter() - began:.0f} s")


@contextlib.contextmanager
def queue_of(home: Path) -> Iterator[None]:
    """The queue that ``up`` starts: without one, each request looks for it in vain."""
    from experiments.management.embedded_valkey import EmbeddedQueue

    queue = EmbeddedQueue(home)
    queue.prepare()
    with subprocess.Popen(queue.command(), stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(queue.answers)
            os.environ["REDIS_URL"] = queue.url
            yield
        finally:
            server.terminate()
            server.wait()
            queue.remove_socket()


@dataclass(frozen=True)
class Site:
    url: str
    cookie: str
    sweep: Any
    tokens: Sequence[str]
    servers: list[int] = field(default_factory=list)

    @classmethod
    def prepared(cls) -> Site:
        """Somebody is logged in, and programs may report for the running trials."""
        os.environ["DJANGO_SETTINGS_MODULE"] = "sweepsite.settings"
        import django

        django.setup()
        from django.test import Client

        from experiments.models import Attempt, Sweep, User
        from experiments.tokens import new_token
        from tests.processes.running_site import free_port

        sweep, client = Sweep.objects.latest("pk"), Client()
        client.force_login(User.objects.earliest("pk"))
        tokens = []
        for attempt in Attempt.objects.filter(trial__sweep=sweep, state="running"):
            token = new_token("trl")
            tokens.append(f"{attempt.trial_id} {token.secret}")
            rows = Attempt.objects.filter(pk=attempt.pk)
            rows.update(trial_token_digest=token.digest)
        url = f"http://127.0.0.1:{free_port()}"
        return cls(url, client.cookies["sessionid"].value, sweep, tokens)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        served = str(ROOT / "sweepsite" / "web_server.py")
        argv = [sys.executable, "-m", "gunicorn", "-c", served, "--workers", "1"]
        host = self.url.removeprefix("http://")
        environment = {**os.environ, "SWEEPSITE_URL": self.url}
        with subprocess.Popen(
            [*argv, "--log-level", "error", "--bind", host], env=environment, cwd=ROOT
        ) as server:
            self.servers[:] = [server.pid]
            try:
                wait_until(lambda: self.get("/login/")[0] > 0)
                yield
            finally:
                server.terminate()

    def cpu(self) -> float:
        """Seconds that the web server has worked."""
        import psutil

        times = [
            each.cpu_times()
            for pid in self.servers
            for each in psutil.Process(pid).children(recursive=True)
        ]
        return float(sum(each.user + each.system for each in times))

    @property
    def page(self) -> str:
        path: str = self.sweep.get_absolute_url()
        return path

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", path, headers={"Cookie": f"sessionid={self.cookie}"})

    def ask(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        try:
            connection.request(method, path, **options)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionRefusedError:
            return 0, b""
        finally:
            connection.close()


def wait_until(is_true: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(0.05)


# --- reports, with and without people who watch ---------------------------------------


def ingest(site: Site) -> Iterator[str]:
    """Reports a second, alone and while VIEWERS pages follow the sweep; in turns, so
    that what else the machine does counts for both."""
    found: dict[int, list[Reported]] = {0: [], VIEWERS: []}
    for _ in range(3):
        for viewers, each in found.items():
            each.append(reported(site, viewers=viewers))
    alone, watched = (max(each, key=lambda one: one.rate) for each in found.values())
    spent = watched.cpu - alone.cpu * watched.rate / alone.rate
    yield (
        f"reports: {alone.rate:.0f} a second, with {VIEWERS} viewers"
        f" {watched.rate:.0f} ({watched.rate / alone.rate - 1:+.0%}); server CPU"
        f" {1e3 * alone.cpu / alone.rate:.1f} ms a report, and the viewers take"
        f" {1e3 * spent:.0f} ms of it a second"
    )


@dataclass(frozen=True)
class Reported:
    """Reports a second, and seconds of the server's CPU a second."""

    rate: float
    cpu: float


def reported(site: Site, *, viewers: int) -> Reported:
    """The viewers are in a process of their own. Their pages are open by then: what
    opening takes is measured elsewhere."""
    context = multiprocessing.get_context("spawn")
    ready, over = context.Event(), context.Event()
    given = (site.url, site.cookie, f"{site.page}feed.json", viewers, ready, over)
    people = context.Process(target=watch_all, args=given)
    people.start()
    ready.wait(60)
    began, cpu, count = time.monotonic(), site.cpu(), 0
    while time.monotonic() < began + SECONDS:
        report(site, count)
        count += 1
    taken, cpu = time.monotonic() - began, site.cpu() - cpu
    over.set()
    people.join()
    return Reported(count / taken, cpu / taken)


def watch_all(
    url: str, cookie: str, feed: str, viewers: int, ready: Any, over: Any
) -> None:
    site = Site(url, cookie, None, ())
    since = json.loads(site.get(feed)[1])["since"]
    people = [
        threading.Thread(target=watch, args=(site, feed, since, over, n / viewers))
        for n in range(viewers)
    ]
    for person in people:
        person.start()
    ready.set()
    for person in people:
        person.join()


def report(site: Site, n: int) -> None:
    trial, secret = site.tokens[n % len(site.tokens)].split()
    points = [{"name": "accuracy", "step": 1_000 + n, "value": 0.5}]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    body = json.dumps({"points": points})
    path = f"/api/v1/trials/{trial}/metrics"
    status, answer = site.ask("POST", path, body=body, headers=headers)
    if status != 200:
        raise RuntimeError(f"{status}: {answer[:300]!r}")


def watch(site: Site, feed: str, since: str, over: Any, phase: float) -> None:
    """A page that follows the sweep: it asks with what it got last."""
    over.wait(POLL * phase)
    while not over.is_set():
        _, answer = site.get(f"{feed}?since={quote(since)}")
        since = json.loads(answer).get("since", since)
        over.wait(POLL)


# --- one poll -------------------------------------------------------------------------

FEEDS = {
    "overview": ("feed.json", "since"),
    "columns": ("columns.json", "mark"),
    "rows": ("rows.json?sort=-value&count=60", "mark"),
}


def polls(site: Site) -> Iterator[str]:
    """CPU of this process for one answer after CHANGED trials have changed."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    client = Client(headers={"accept-encoding": "gzip"})
    client.cookies["sessionid"] = site.cookie
    for name, (path, key) in FEEDS.items():
        mark, taken, size = "", [], 0
        for n in range(6):
            change(site, n)
            joint = "&" if "?" in path else "?"
            began = time.process_time()
            answer = client.get(
                f"{site.page}{path}{joint}since={quote(mark)}", secure=True
            )
            taken.append(1e3 * (time.process_time() - began))
            if answer.status_code != 200:
                yield f"{name}: {answer.status_code}"
                break
            size = len(answer.content)
            import gzip

            raw = answer.content
            zipped = answer.headers.get("Content-Encoding") == "gzip"
            mark = json.loads(gzip.decompress(raw) if zipped else raw).get(key, "")
        else:
            yield (
                f"one poll of {name}: first {taken[0]:.0f} ms of server CPU, then"
                f" {min(taken[1:]):.1f} to {max(taken[1:]):.1f}, {size / 1e3:.0f} kB"
            )


def change(site: Site, n: int) -> None:
    from django.utils import timezone

    running = site.sweep.trials.filter(state="running")
    running.update(last_value=0.5 + n / 1e3, updated_at=timezone.now())


# --- pages ----------------------------------------------------------------------------


class Visitor:
    """A page of a browser that counts what its main thread does."""

    def __init__(self, browser: Any, url: str, cookie: str) -> None:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        if cookie:
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])
        self.page = context.new_page()
        self._tools = context.new_cdp_session(self.page)
        self._tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy(self) -> float:
        """CPU milliseconds of the main thread since the page was opened."""
        found = self._tools.send("Performance.getMetrics")["metrics"]
        return 1e3 * float(
            next(each["value"] for each in found if each["name"] == "TaskDuration")
        )

    def seconds_until(self, url: str, *conditions: str) -> list[float]:
        self.page.goto("about:blank")
        began = time.perf_counter()
        self.page.goto(url, wait_until="commit")
        found = []
        for condition in conditions:
            self.page.wait_for_function(condition, polling="raf", timeout=120_000)
            found.append(time.perf_counter() - began)
        return found


def opened(visitor: Visitor, site: Site, *, times: int) -> Iterator[str]:
    for path, conditions in (
        ("trials/", (ROW,)),
        ("", (DRAWN,)),
        ("charts/", (DRAWN,)),
    ):
        taken, busy = [], []
        for _ in range(times):
            taken.append(
                visitor.seconds_until(site.url + site.page + path, *conditions)[-1]
            )
            visitor.page.wait_for_load_state("networkidle")
            busy.append(visitor.busy())
        yield (
            f"/{path}: usable after {min(taken):.2f} s (first {taken[0]:.2f}),"
            f" main thread {min(busy):.0f} ms of CPU in all"
        )
        yield f"  while it follows: {following(visitor, site)}"
    yield brushing(visitor)


def following(visitor: Visitor, site: Site) -> str:
    """The main thread's work for one poll with CHANGED changes, less what it does
    without any."""
    found = []
    for n in range(3):
        before = visitor.busy()
        visitor.page.wait_for_timeout(4 * POLL * 1e3)
        idle = visitor.busy() - before
        before = visitor.busy()
        change(site, 100 + n)
        visitor.page.wait_for_timeout(4 * POLL * 1e3)
        found.append(visitor.busy() - before - idle)
    return f"{min(found):.0f} to {max(found):.0f} ms of main thread for one change"


def brushing(visitor: Visitor) -> str:
    """The main thread's work for one step of a brush on the Charts tab."""
    page = visitor.page
    page.locator("[data-drawn=yes]").wait_for(state="attached", timeout=120_000)
    title = page.locator(".axis-title").first.bounding_box()
    x, y, steps = title["x"] + title["width"] / 2, title["y"] + 60, 12
    page.mouse.move(x, y)
    page.mouse.down()
    found = []
    for step in range(1, steps + 1):
        before = visitor.busy()
        page.mouse.move(x, y + 12 * step)
        page.wait_for_timeout(300)
        found.append(visitor.busy() - before)
    page.mouse.up()
    found.sort()
    return f"brushing: {found[steps // 2]:.0f} ms (most {found[-1]:.0f}) for each step"


# --- optuna-dashboard -----------------------------------------------------------------


def beside(browser: Any, site: Site, wanted: argparse.Namespace) -> Iterator[str]:
    """optuna-dashboard with the same trials."""
    from tests.processes.running_site import free_port

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/optuna.sqlite3"
        copy_to_optuna(site, wanted.optuna, storage)
        program = str(Path(wanted.optuna).with_name("optuna-dashboard"))
        argv = [program, storage, "--port", str(port), "--host", "127.0.0.1"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as server:
            try:
                url = f"http://127.0.0.1:{port}"
                visitor = Visitor(browser, url, "")
                other = Site(url, "", None, ())
                wait_until(lambda: other.get("/")[0] in (200, 302))
                for path, condition in (
                    ("trialTable", ROW),
                    ("", "() => !!document.querySelector('.js-plotly-plot .trace')"),
                ):
                    address = f"{url}/dashboard/studies/1/{path}"
                    taken = [
                        visitor.seconds_until(address, condition)[-1]
                        for _ in range(wanted.times)
                    ]
                    yield (
                        f"optuna-dashboard /{path}: {min(taken):.2f} s (first"
                        f" {taken[0]:.2f}), main thread {visitor.busy():.0f} ms of CPU"
                    )
            finally:
                server.terminate()


COPY = """
import json, sys, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=sys.argv[1], direction="maximize")
floats = {"learning_rate": (1e-5, 1e-1, True), "dropout": (0, 0.6, False),
  "layers": (1, 8, False), "momentum": (0.5, 0.99, False),
  "weight_decay": (1e-6, 1e-2, True), "label_smoothing": (0, 0.2, False)}
words = {"batch_size": [16, 32, 64, 128, 256], "optimizer": ["adam", "adamw", "sgd"]}
kinds = {n: optuna.distributions.FloatDistribution(a, b, log=c)
  for n, (a, b, c) in floats.items()}
kinds |= {n: optuna.distributions.CategoricalDistribution(v) for n, v in words.items()}
made = []
for params, value, curve in map(json.loads, sys.stdin):
    made.append(optuna.trial.create_trial(params=params, value=value,
      distributions={n: kinds[n] for n in params},
      intermediate_values=dict(enumerate(curve))))
    if len(made) == 500:
        study.add_trials(made)
        made = []
study.add_trials(made)
"""


def copy_to_optuna(site: Site, python: str, storage: str) -> None:
    """The values of all ended trials, and their curves."""
    from experiments.models import Metric
    from experiments.tracking import series

    with subprocess.Popen(
        [python, "-c", COPY, storage], stdin=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        ended = site.sweep.trials.exclude(state="running").filter(value__isnull=False)
        rows = list(ended.values_list("current_attempt", "params", "value"))
        for start in range(0, len(rows), 500):
            part = {row[0]: row for row in rows[start : start + 500]}
            metrics = dict(
                Metric.objects.filter(name="accuracy", attempt__in=part).values_list(
                    "pk", "attempt"
                )
            )
            for pk, points in series.read(metrics).items():
                _, params, value = part[metrics[pk]]
                line = [params, value, points["value"].round(5).tolist()]
                writer.stdin.write(json.dumps(line) + "\n")
        writer.stdin.close()
        if writer.wait():
            raise RuntimeError("optuna did not take the trials")


if __name__ == "__main__":
    main()
