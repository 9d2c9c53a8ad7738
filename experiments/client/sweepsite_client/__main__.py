"""``python -m sweepsite_client``: sweeps of any site, by its address and a token."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from typing import Any

from ._login import login, save_login
from ._progress import progress_line
from ._requests import RequestError
from ._site import RemoteSite, connect
from ._sweep import RemoteSweep

SHOWN = 5


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 for what did not work, 130 for Ctrl+C."""
    options = _parser().parse_args(words)
    try:
        return int(options.act(options) or 0)
    except RequestError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The sweep continues on the site.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sweepsite_client")
    parser.add_argument(
        "--url", default="", help="the site; by default SWEEPSITE_URL or the login's"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    entry = actions.add_parser("login", help="keep a site's address and your token")
    entry.add_argument("address", nargs="?", default="", metavar="URL", help="the site")
    entry.set_defaults(act=_login)
    for name, act, words in (
        ("check", _check, "check a document, create nothing"),
        ("submit", _submit, "create a sweep and start it"),
    ):
        reading = actions.add_parser(name, help=words)
        reading.add_argument(
            "file", help="of this site, Azure ML, W&B, Katib, NNI or Optuna"
        )
        reading.add_argument(
            "--team", default="", metavar="SLUG", help="needed with several teams"
        )
        reading.add_argument(
            "--format", default="", metavar="NAME", help="if it is not seen right"
        )
        reading.add_argument(
            "--part", default="", metavar="NAME", help="the step or study, if several"
        )
        reading.set_defaults(act=act)
    reading.add_argument(
        "--experiment",
        default="",
        metavar="NAME",
        help="use this experiment, not the file's",
    )
    reading.add_argument("--no-start", action="store_true", help="create a draft")
    reading.add_argument("--watch", action="store_true", help="show its progress")
    listed = actions.add_parser("list", help="list the newest sweeps")
    listed.add_argument(
        "--experiment", default="", metavar="NAME", help="only of this one"
    )
    listed.add_argument("--state", default="", metavar="STATE", help="such as running")
    listed.set_defaults(act=_list)
    _add_steps_of_one(actions)
    return parser


def _add_steps_of_one(actions: Any) -> None:
    for name, act, words in (
        ("watch", _watch, "show a sweep's progress until it ends"),
        ("show", _show, "show its state and results"),
        ("best", _best, "show its best trial"),
        ("export", _export, "print its document, or its trials (csv, jsonl)"),
        ("start", _step, "start a draft"),
        ("extend", _step, "resume an ended sweep for more trials"),
        ("trials", _trials, "print its trials as JSON lines"),
        ("pause", _step, "start no new trials"),
        ("resume", _step, "start trials again"),
        ("cancel", _step, "end it"),
        ("download", _download, "save the outputs of its best trial as a zip"),
        ("logs", _logs, "print what a trial wrote"),
    ):
        of_one = actions.add_parser(name, help=words)
        of_one.add_argument(
            "sweep", metavar="SWEEP", help="such as digits-3, or its id"
        )
        of_one.set_defaults(act=act)
        if name == "extend":
            of_one.add_argument("more", type=int, metavar="N", help="how many more")
        if name == "export":
            of_one.add_argument(
                "--format", choices=EXPORTED, default="yaml", help="yaml by default"
            )
        if name == "trials":
            of_one.add_argument(
                "--filter", default="", metavar="EXPRESSION", help="such as lr < 0.01"
            )
            of_one.add_argument(
                "--sort", default="number", metavar="KEYS", help="such as -value,took"
            )
        if name == "download":
            of_one.add_argument("--trial", type=int, metavar="N", help="not the best")
            of_one.add_argument(
                "--to", default=".", metavar="FOLDER", help="here by default"
            )
        if name == "logs":
            of_one.add_argument(
                "trial", type=int, metavar="N", help="number of the trial"
            )


EXPORTED = (
    *("yaml", "json", "csv", "jsonl"),
    *("azure", "wandb", "katib", "optuna"),
)


def _site(options: argparse.Namespace) -> RemoteSite:
    return connect(options.url)


def _sweep(options: argparse.Namespace) -> RemoteSweep:
    return _site(options).find(options.sweep)


def _login(options: argparse.Namespace) -> None:
    """Asks for the token: other people can see a command line."""
    known, _ = login()
    url = options.address or options.url or known
    if not url:
        raise RequestError("Name the site: python -m sweepsite_client login URL.")
    if sys.stdin.isatty():
        token = getpass.getpass(f"Token of {url} (Profile, API tokens): ").strip()
    else:
        token = sys.stdin.readline().strip()
    if not token:
        raise RequestError("No token was given; the last login is kept.")
    connect(url, token)
    print(f"Logged in to {url}; kept in {save_login(url.rstrip('/'), token)}.")


def _check(options: argparse.Namespace) -> int:
    found = _site(options).check(options.file, **_reading(options))
    if not found["valid"]:
        for problem in found["problems"]:
            print(_line(problem), file=sys.stderr)
        return 1
    print(f"valid ({found['format']}), {found['combinations_words']} combinations")
    for params in found["preview"]["configurations"][:SHOWN]:
        print(f"such as: {json.dumps(params, ensure_ascii=False)}")
    for warning in found["warnings"]:
        print(f"warning: {_line(warning)}")
    return 0


def _submit(options: argparse.Namespace) -> int:
    site = _site(options)
    sweep = site.sweep(options.file, experiment=options.experiment, **_reading(options))
    for note in sweep.notes:
        print(f"warning: {_line(note)}", file=sys.stderr)
    if not options.no_start:
        sweep.start()
    print(f"{sweep.name} (id {sweep.id}) {sweep.url}", flush=True)
    return _watched(sweep) if options.watch and not options.no_start else 0


def _reading(options: argparse.Namespace) -> dict[str, str]:
    return {"team": options.team, "format": options.format, "part": options.part}


def _line(problem: dict[str, Any]) -> str:
    parts = (problem["message"], problem.get("alternative"))
    words = " ".join(part for part in parts if part)
    return f"{problem['path']}: {words}" if problem["path"] else words


def _list(options: argparse.Namespace) -> None:
    found = _site(options).sweeps(state=options.state, experiment=options.experiment)
    for sweep in found:
        print(f"{sweep.id:>5}  {progress_line(sweep.facts)}")


def _watch(options: argparse.Namespace) -> int:
    return _watched(_sweep(options))


def _watched(sweep: RemoteSweep) -> int:
    """0 when it completes, 1 when it ends otherwise."""
    sweep.watch()
    print(f"{sweep.name} {sweep.state}: {sweep.facts['message']}")
    return int(sweep.state != "completed")


def _best(options: argparse.Namespace) -> None:
    sweep = _sweep(options)
    best = sweep.best()
    if best is None:
        raise RequestError(f"No trial of {sweep.name} has a value yet.")
    print(f"{best['name']} (id {best['id']}) {best['state']} {best['url']}")
    print(f"{sweep.facts['primary_metric']}: {best['value']!r}")
    print(json.dumps(best["params"], ensure_ascii=False))


def _show(options: argparse.Namespace) -> None:
    facts = _sweep(options).facts
    print(progress_line(facts))
    shown = {
        "id": facts["id"],
        "url": facts["url"],
        "team": facts["team"],
        "objective": f"{facts['goal']} {facts['primary_metric']}",
        "message": facts["message"],
        "waiting": facts["waiting"],
        "compute used": f"{facts['compute']['spent']:.0f} s",
        "compute saved": f"{facts['compute']['saved']:.0f} s (estimate)",
    }
    for name, value in shown.items():
        if value:
            print(f"{name + ':':<15}{value}")


def _export(options: argparse.Namespace) -> None:
    sweep = _sweep(options)
    text = sweep.exported(options.format)
    for note in sweep.export_notes:
        print(f"warning: {_line(note)}", file=sys.stderr)
    print(text.rstrip())


def _trials(options: argparse.Namespace) -> None:
    for row in _sweep(options).results(options.filter, sort=options.sort):
        print(json.dumps(row, ensure_ascii=False))


def _step(options: argparse.Namespace) -> None:
    sweep = _sweep(options)
    more = [options.more] if options.action == "extend" else []
    getattr(sweep, options.action)(*more)
    print(f"{sweep.name} is {sweep.state}.")


def _download(options: argparse.Namespace) -> None:
    print(_sweep(options).download(options.to, options.trial))


def _logs(options: argparse.Namespace) -> None:
    print(_sweep(options).logs(options.trial), end="")


if __name__ == "__main__":
    sys.exit(main())
