"""``python -m tests.chaos [SCENARIO …]``: faults on purpose, with seeds to repeat them.

Without a name every scenario is run. A failure prints its seed and keeps its logs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.chaos.case import Case, Scenario
from tests.chaos.scenarios import SCENARIOS


def main() -> int:
    arguments = _arguments()
    failures = 0
    for name in arguments.scenario or SCENARIOS:
        scenario = SCENARIOS[name]
        for database in arguments.database or scenario.databases:
            for seed in range(arguments.seed, arguments.seed + arguments.seeds):
                size = arguments.size or scenario.size
                failures += not _run(scenario, database, seed, size)
    return min(failures, 1)


def _run(scenario: Scenario, database: str, seed: int, size: int) -> bool:
    if problem := scenario.obstacle():
        print(f"FAILED {scenario.name}: {problem}", flush=True)
        return False
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{scenario.name}-"))
    case = Case(folder, database, seed, size)
    began = time.monotonic()
    try:
        problems = scenario.run(case)
    except Exception:
        problems = [traceback.format_exc()]
    took = time.monotonic() - began
    facts = ", ".join(f"{name} {value}" for name, value in case.figures.items())
    result = "FAILED" if problems else "ok"
    print(
        f"{result:7}{scenario.name} {database} seed {seed} size {size}: {took:.0f} s;"
        f" {facts}",
        flush=True,
    )
    if problems:
        print("  " + "\n  ".join(problems))
        print(f"  logs: {folder}; again: --seed {seed} --seeds 1", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return not problems


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS])
    parser.add_argument("--database", action="append", choices=("sqlite", "postgres"))
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--size", type=int, help="trials, seconds or slots")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
