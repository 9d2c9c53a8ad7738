"""Katib's `metricsCollectorSpec`, as our `metrics_collector` and back."""

from __future__ import annotations

from experiments.search.document import collector as ours
from experiments.search.document.code import stays_inside
from experiments.search.fields import cut
from experiments.search.formats.nodes import Node
from experiments.search.records import JSONObject, JSONValue

UNSUPPORTED = {
    "PrometheusMetric": "This site does not request metrics from a trial.",
    "Custom": "No collector runs next to a trial.",
    "Push": "Reports to Katib's client do not reach this site.",
}
REPORT = "Report metrics with sweepsite_client: log(accuracy=0.9)."
STDOUT, FILE, EVENTS, NONE = "StdOut", "File", "TensorFlowEvent", "None"
# Where Katib looks if the experiment does not say.
LOG, EVENT_FOLDER = "/var/log/katib/metrics.log", "/var/log/katib/tfevent/"


def read_collector(spec: Node, more: list[str]) -> JSONObject | None:
    """Our `metrics_collector`; None keeps the automatic one. `more` are the metrics
    besides the objective's."""
    collector, source = spec.inner("collector"), spec.inner("source")
    kind = collector.text("kind") or STDOUT
    read: JSONObject | None = None
    if kind == NONE:
        read = {ours.NONE: {}}
    elif kind == EVENTS:
        read = {ours.TENSORBOARD: {"path": _path(source, EVENT_FOLDER)}}
    elif kind == FILE:
        read = {ours.FILE: {"path": _path(source, LOG), **_format(source, more)}}
    elif kind == STDOUT:
        form = _format(source, more)
        read = None if form == {"format": ours.NAME_VALUE} else {ours.STDOUT: form}
    elif not collector.is_misspelled(
        "kind", kind, [STDOUT, FILE, EVENTS, NONE, *UNSUPPORTED], kind="collector"
    ):
        why = UNSUPPORTED.get(kind, "There is no such collector here.")
        collector.leave("kind", why, REPORT)
    collector.leave("customCollector", "No container runs next to a trial.")
    source.leave("httpGet", "This site does not request metrics from a trial.")
    for node in (collector, source, spec):
        node.close("a sweep here", also=("filter", "fileSystemPath"))
    return read


def _format(source: Node, more: list[str]) -> JSONObject:
    """How lines are read; several patterns become one."""
    where, wanted = source.inner("fileSystemPath"), source.inner("filter")
    is_json = where.text("format").upper() == "JSON"
    form: JSONObject = {"format": ours.JSON if is_json else ours.NAME_VALUE}
    patterns = [str(each) for each in wanted.items("metricsFormat")]
    if patterns and not is_json:
        joined = patterns[0]
        if len(patterns) > 1:
            joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        problem = ours.pattern_problem(joined)
        if problem or len(joined) > ours.MAX_PATTERN_LENGTH:
            wanted.leave("metricsFormat", problem or "The pattern is too long here.")
        else:
            form = {"format": ours.REGEX, "pattern": joined}
    wanted.close("a sweep here")
    names: list[JSONValue] = [*more]
    return {**form, "metrics": names} if names else form


def _path(source: Node, default: str) -> str:
    """A path below the trial's working folder: the end of Katib's, which is one of the
    container."""
    where = source.inner("fileSystemPath")
    given = where.text("path") or default
    where.skip(("kind", "format"))
    where.close("a sweep here")
    if stays_inside(given.removeprefix("./").rstrip("/")):
        return given
    name = given.rstrip("/").rpartition("/")[2] or "metrics"
    where.log.changed(
        where.at("path"),
        f"{cut(given)} is a path in the container. Here a trial writes below its"
        f" working folder, so it becomes {name}: have the script write there.",
    )
    return name


def dump_collector(document: Node) -> tuple[JSONObject, list[JSONValue]]:
    """Katib's collector for ours, empty for its default; and the additional metrics."""
    field = document.inner(ours.FIELD)
    if not field.given():
        return {}, []
    if field.take(ours.NONE) is not None:
        return {"collector": {"kind": NONE}}, []
    events, file = field.inner(ours.TENSORBOARD), field.inner(ours.FILE)
    lines = field.inner(ours.STDOUT)
    others = [node for node in (lines, file, events) if node.given()][1:]
    for node in others:
        node.log.left_out(node.path, "Katib has one collector for each experiment.")
    if lines.given():
        return _dump_lines(lines, STDOUT)
    if file.given():
        return _dump_lines(file, FILE)
    where: JSONObject = {"kind": "Directory", "path": events.text("path")}
    return {"collector": {"kind": EVENTS}, "source": {"fileSystemPath": where}}, []


def _dump_lines(node: Node, kind: str) -> tuple[JSONObject, list[JSONValue]]:
    form, path = node.text("format"), node.text("path")
    names = [str(name) for name in node.items("metrics")]
    source: JSONObject = {}
    if kind == FILE:
        named = "JSON" if form == ours.JSON else "TEXT"
        source["fileSystemPath"] = {"kind": "File", "path": path, "format": named}
    if form == ours.REGEX:
        source["filter"] = {"metricsFormat": [node.text("pattern")]}
        if "(?P<" in node.text("pattern"):
            message = (
                "Katib reads the first group as the name, the second as the value."
            )
            node.changed("pattern", message)
    elif form == ours.CSV or (form == ours.JSON and kind == STDOUT):
        node.log.left_out(node.at("format"), f"Katib's {kind} does not read {form}.")
    if kind == STDOUT and not source:
        return {}, [*names]
    return {"collector": {"kind": kind}, "source": source}, [*names]
