"""The site's routes for one attempt: heartbeat, metrics, log, outputs, finish."""

from __future__ import annotations

import urllib.parse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiments.runner.errors import Refused, SiteAway, Stop
from experiments.runner.http import Connection, Readable

MAX_PHASE = 100


@dataclass(frozen=True)
class PointsReply:
    """The request to stop, if there is one, and why points were refused, by name;
    `reported` are names of collected points that the script reports itself."""

    stop: Stop | None
    refused: Mapping[str, str]
    reported: Collection[str] = ()


@dataclass(frozen=True)
class StoredLog:
    """How much of an attempt's log the site has; `size` in bytes."""

    chunks: int
    size: int


class Site:
    """One attempt's requests. Raises as Connection does; usable from several
    threads."""

    def __init__(self, url: str, *, attempt: str, token: str) -> None:
        self._root = f"{url.rstrip('/')}/"
        self._attempt = Connection(
            f"{self._root}api/worker/v1/attempts/{attempt}", token
        )

    def beat(
        self,
        *,
        elapsed: float,
        pid: int,
        memory: int,
        phase: str = "",
        environment: Mapping[str, object] | None = None,
    ) -> Stop | None:
        """Send a heartbeat; the answer may ask the attempt to stop.

        `elapsed` in seconds of training, `memory` in bytes; `phase` is the step of the
        preparation, in words; `environment` is what the training runs on.
        """
        body: dict[str, object] = {
            "elapsed": round(elapsed, 3),
            "pid": pid,
            "memory_bytes": memory,
        }
        if phase:
            body["phase"] = phase[:MAX_PHASE]
        if environment:
            body["environment"] = environment
        return _stop_from(self._attempt.send_json("heartbeat", body).get("stop"))

    def send_points(
        self, points: Sequence[Mapping[str, object]], *, collected: bool = False
    ) -> PointsReply:
        """Send metric points; sending one again does no harm. Those that were
        `collected` count unless the script reports the same names itself."""
        body: dict[str, object] = {"points": list(points)}
        if collected:
            body["collected"] = True
        answer = self._attempt.send_json("metrics", body)
        names = answer.get("refused") or ()
        refused = {str(each["name"]): str(each["reason"]) for each in names}
        reported = frozenset(map(str, answer.get("reported") or ()))
        if not answer.get("stop"):
            return PointsReply(None, refused, reported)
        reason = str(answer.get("reason") or "the site asked the trial to stop")
        return PointsReply(Stop(reason=reason, message=reason), refused, reported)

    def send_log(self, sequence: int, data: bytes) -> StoredLog:
        """Append raw output; returns what the site has now."""
        answer = self._attempt.send_bytes(f"log?seq={sequence}", data)
        following, size = answer.get("next"), answer.get("bytes")
        if not isinstance(following, int) or not isinstance(size, int):
            raise SiteAway(
                f"the site answered a log chunk without its number: {answer}"
            )
        return StoredLog(following, size)

    def send_artifact(
        self,
        path: str,
        *,
        sha256: str,
        file: Readable,
        size: int,
        whole: bool = True,
    ) -> None:
        """Upload one output file; `path` is relative, with slashes.

        People can see a file that is not `whole`, but no later attempt gets it.
        """
        fields = {"path": path, "sha256": sha256}
        if not whole:
            fields["whole"] = "false"
        query = urllib.parse.urlencode(fields)
        self._attempt.put_file(f"artifacts?{query}", file, size=size)

    def delete_artifact(self, path: str) -> None:
        """Delete an output file that the script has removed."""
        query = urllib.parse.urlencode({"path": path})
        self._attempt.delete(f"artifacts?{query}")

    def settle_commit(self, commit: str) -> str:
        """Report the commit of the sweep's git reference; returns the one that counts,
        which another attempt may have reported before."""
        answer = self._attempt.send_json("commit", {"commit": commit})
        settled = answer.get("commit")
        if not isinstance(settled, str) or not settled:
            raise SiteAway(f"the site answered without a commit: {answer}")
        return settled

    def finish(self, report: Mapping[str, object]) -> str:
        """Report the end; returns the trial's new state."""
        return str(self._attempt.send_json("finish", report).get("state", ""))

    def download(self, url: str) -> Iterator[bytes]:
        """The bytes of a file of this site, in pieces.

        Raises Refused for an address elsewhere: the token must not leave the site.
        """
        address = urllib.parse.urljoin(self._root, url)
        if not address.startswith(self._root):
            raise Refused(f"{address} is not on {self._root}")
        return self._attempt.download(address)


def _stop_from(stop: object) -> Stop | None:
    if not isinstance(stop, dict):
        return None
    reason = str(stop.get("reason") or "stop")
    grace = stop.get("grace")
    return Stop(
        reason=reason,
        message=str(stop.get("message") or reason),
        grace=max(0.0, float(grace)) if isinstance(grace, int | float) else None,
    )
