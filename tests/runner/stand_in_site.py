"""A small real HTTP server in the site's place: records, and misbehaves on demand."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from experiments.runner.log_marks import plain

WORKER_ROUTE = re.compile(r"/api/worker/v1/attempts/([^/]+)/(.+)")
TRIAL_ROUTE = re.compile(r"/api/v1/trials/([^/]+)/metrics")


class StandInSite:
    """What came in, per kind, and the knobs for what goes out."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.beats: list[dict[str, Any]] = []
        self.arrivals: list[dict[str, Any]] = []
        self.points: dict[tuple[str, int], Any] = {}
        self.measured: dict[str, float] = {}
        self.batches: list[str] = []
        self.marked_log = b""
        self.collected: list[dict[str, Any]] = []
        # By attempt: how many chunks of its log came, and their bytes.
        self.chunks: dict[str, int] = {}
        self.log_sizes: dict[str, int] = {}
        self.artifacts: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.partial: set[str] = set()
        self.room: int | None = None
        self.checkpoint: dict[str, bytes] = {}
        self.finishes: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.codes: dict[str, bytes] = {}
        self.connections = 0
        self.commits: list[str] = []
        # Knobs.
        self.stop: dict[str, Any] | None = None
        self.reply_stop = ""
        self.statuses: dict[str, int] = {}
        self.refused_names: set[str] = set()
        self.reported_names: set[str] = set()
        self.lose_replies: set[str] = set()
        self.hang = False
        # Seconds that an action takes, and the actions that have begun.
        self.slow: dict[str, float] = {}
        self.begun: list[tuple[str, str]] = []
        self.page: bytes | None = None
        self._server: Server | None = None
        self._port = 0
        self.come_back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def come_back(self) -> None:
        self._server = Server(("127.0.0.1", self._port), Handler)
        self._server.site = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def go_away(self) -> None:
        """As when the site's process is killed: open connections end too."""
        if self._server is not None:
            self._server.shutdown()
            with self.changed:
                self._server.cut_connections()
            self._server.server_close()
            self._server = None

    def wait_for(
        self, condition: Callable[[], object], *, seconds: float = 30.0
    ) -> None:
        with self.changed:
            if not self.changed.wait_for(condition, timeout=seconds):
                raise AssertionError(
                    f"not within {seconds} s; requests: {self.requests}"
                )

    def add_code(self, body: bytes) -> dict[str, str]:
        digest = hashlib.sha256(body).hexdigest()
        self.codes[digest] = body
        return {"digest": digest, "url": f"{self.url}/api/worker/v1/code/{digest}.zip"}

    def add_checkpoint(self, **files: bytes) -> dict[str, Any]:
        """`resume_from` of a specification: "a__b_txt" stands for a/b.txt."""
        entries = []
        for name, body in files.items():
            path = name.replace("__", "/").replace("_", ".")
            digest = hashlib.sha256(body).hexdigest()
            self.checkpoint[digest] = body
            url = f"{self.url}/api/worker/v1/attempts/41/resume/{digest}"
            entries.append(
                {"path": path, "sha256": digest, "size": len(body), "url": url}
            )
        return {"attempt": 1, "files": entries}

    @property
    def log(self) -> bytes:
        return plain(self.marked_log)

    def text(self) -> str:
        return self.log.decode("utf-8", "replace")

    @property
    def finish(self) -> dict[str, Any]:
        """The one finish that came; more or fewer are an error."""
        if len(self.finishes) != 1:
            raise AssertionError(f"{len(self.finishes)} finishes: {self.finishes}")
        return self.finishes[0]


class Server(ThreadingHTTPServer):
    site: StandInSite
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        self.open_sockets: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_sockets.add(request)
        self.site.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self.open_sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Cut connections are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        site = self.server.site
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with site.changed:
            site.begun.append((self.command, self._action()))
            site.changed.notify_all()
        time.sleep(site.slow.get(self._action(), 0.0))
        while site.hang:
            time.sleep(0.02)
        with site.changed:
            status, answer = self._handle(site, body)
            site.changed.notify_all()
            if self._action() in site.lose_replies:
                site.lose_replies.discard(self._action())
                self.close_connection = True
                return
            # Whoever goes away meanwhile goes after the reply: tests lose replies
            # where they mean to.
            self._reply(status, answer)
            self.wfile.flush()

    do_PUT = do_POST
    do_DELETE = do_POST
    do_GET = do_POST

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""

    def _action(self) -> str:
        path = urlsplit(self.path).path
        if match := WORKER_ROUTE.fullmatch(path):
            return match[2]
        if TRIAL_ROUTE.fullmatch(path):
            return "trial-metrics"
        return "code" if "/code/" in path else path

    def _handle(self, site: StandInSite, body: bytes) -> tuple[int, Any]:
        action = self._action()
        site.requests.append((self.command, self.path, action))
        site.headers.append({k.lower(): v for k, v in self.headers.items()})
        if status := site.statuses.get(action) or site.statuses.get("*"):
            return status, _error(status)
        if site.page is not None:
            return 404, site.page
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if action == "heartbeat":
            site.beats.append(json.loads(body))
            return 200, {"stop": site.stop}
        if action in ("metrics", "trial-metrics"):
            sent = json.loads(body)
            site.batches.append(sent.get("batch", ""))
            if not sent.get("collected"):
                return self._metrics(site, sent["points"])
            own = {p["name"] for p in sent["points"]} & site.reported_names
            site.collected += (p for p in sent["points"] if p["name"] not in own)
            stop = {"stop": bool(site.reply_stop), "reason": site.reply_stop}
            return 200, {**stop, "reported": sorted(own)}
        if action == "log":
            attempt = urlsplit(self.path).path.split("/")[-2]
            count = site.chunks.setdefault(attempt, 0)
            if int(query["seq"]) == count:
                site.marked_log += body
                site.chunks[attempt] += 1
                site.log_sizes[attempt] = site.log_sizes.get(attempt, 0) + len(body)
            stored = site.log_sizes.get(attempt, 0)
            return 200, {"next": site.chunks[attempt], "bytes": stored}
        if action.startswith("resume/"):
            file = site.checkpoint.get(action.removeprefix("resume/"))
            return (200, file) if file is not None else (404, _error(404))
        if action == "artifacts" and self.command == "DELETE":
            return 200, {"deleted": int(bool(site.artifacts.pop(query["path"], None)))}
        if action == "artifacts":
            if hashlib.sha256(body).hexdigest() != query["sha256"]:
                return 422, _error(422)
            others = {k: v for k, v in site.artifacts.items() if k != query["path"]}
            used = sum(map(len, others.values())) + len(body)
            if site.room is not None and used > site.room:
                return 413, _error(413)
            site.artifacts[query["path"]] = body
            site.uploads.append(query["path"])
            if query.get("whole") == "false":
                site.partial.add(query["path"])
            return 201, {}
        if action == "commit":
            site.commits.append(json.loads(body)["commit"])
            return 200, {"commit": site.commits[0]}
        if action == "finish":
            site.finishes.append(json.loads(body))
            return 200, {"state": "completed"}
        if action == "code":
            code = site.codes.get(self.path.rsplit("/", 1)[1].removesuffix(".zip"))
            return (200, code) if code is not None else (404, _error(404))
        return 404, _error(404)

    def _metrics(self, site: StandInSite, points: list[Any]) -> tuple[int, Any]:
        refused = [p for p in points if p["name"] in site.refused_names]
        points = [p for p in points if p["name"] not in site.refused_names]
        # Measured by the runner, whenever that is due.
        own = [p for p in points if p["name"].startswith("system/")]
        site.measured |= {p["name"]: p["value"] for p in own}
        points = [p for p in points if p not in own]
        site.arrivals.extend(points)
        for point in points:
            site.points.setdefault((point["name"], point["step"]), point["value"])
        answer = {"stop": bool(site.reply_stop), "reason": site.reply_stop}
        names = [{"name": p["name"], "points": 1, "reason": "odd"} for p in refused]
        return 200, {**answer, **({"refused": names} if names else {})}

    def _reply(self, status: int, answer: Any) -> None:
        raw = isinstance(answer, bytes)
        body = answer if raw else json.dumps(answer).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Type", "text/html" if raw else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _error(status: int) -> dict[str, Any]:
    code = "stale_attempt" if status == 409 else f"status_{status}"
    return {"error": {"code": code, "message": f"that is a {status}", "fields": {}}}
