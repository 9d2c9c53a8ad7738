"""How a Katib experiment collects its metrics: here a trial reports them itself."""

from __future__ import annotations

from experiments.search.importers.source import Source

KINDS = {
    "StdOut": "What a trial prints is kept as its log and not looked through.",
    "File": "A file that a trial writes is kept and not looked through.",
    "TensorFlowEvent": "Event files are kept and not looked through.",
    "PrometheusMetric": "Nobody asks a trial for its metrics here.",
    "Custom": "No collector of your own runs beside a trial.",
    "Push": "A trial's reports to Katib's own client do not come here.",
}
REPORT = "Report metrics with sweepsite_client: log(accuracy=0.9)."


def read_collector(spec: Source) -> None:
    """Take a stand on every part of `metricsCollectorSpec`."""
    collector = spec.inner("collector")
    kind = collector.text("kind")
    why = KINDS.get(kind, "There are no collectors of metrics here.")
    collector.leave("kind", why, REPORT)
    collector.leave("customCollector", "No container runs beside a trial.")
    collector.close("a sweep here")
    source = spec.inner("source")
    wanted = source.inner("filter")
    wanted.leave("metricsFormat", "No lines are searched for metrics.", REPORT)
    wanted.close("a sweep here")
    source.leave("fileSystemPath", "No file of a trial is searched for metrics.")
    source.leave("httpGet", "Nobody asks a trial for its metrics here.")
    source.close("a sweep here")
    spec.close("a sweep here")
