"""Nothing of a training may outlive it: daemons, orphans, dead parents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from experiments.runner import cleanup, processes, signals
from experiments.runner.processes import process_table

STOP = {"reason": "user", "message": "stopped by Ada", "grace": 0.3}
PARENT = """
import json, sys
from pathlib import Path
from experiments.runner.launch import start_runner
home, spec = sys.argv[1:]
runner = start_runner(json.loads(spec), home=Path(home))
print(runner.pid, flush=True)
runner.join()
"""


def test_a_daemon_that_holds_the_output_does_not_hold_the_trial(
    runners: Any, site: Any
) -> None:
    assert runners.run("train_daemon_grandchild") == 0
    assert site.finish["exit_code"] == 0
    assert not runners.alive()


def test_a_daemon_s_last_words_are_kept(runners: Any, site: Any) -> None:
    runner = runners.start("train_daemon_grandchild", "wait")
    runners.wait_for_word("START", 2)
    site.wait_for(lambda: b"the daemon lives" in site.log)
    runner.terminate()
    assert runner.wait(timeout=30) == 0


def test_grandchildren_in_their_own_session_end_with_a_stop(
    runners: Any, site: Any
) -> None:
    runner = runners.start("train_daemon_grandchild", "hang")
    runners.wait_for_word("START", 2)
    assert len(runners.alive()) == 2
    site.stop = STOP
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped"
    assert not runners.alive()


def test_a_daemon_that_cleaned_its_environment_is_still_found(
    runners: Any, site: Any
) -> None:
    pid_file = runners.folder().work / "pid"
    command = f"setsid env -i sh -c 'echo $$ > {pid_file}; exec sleep 600' & wait"
    runner = runners.start("sh", "-c", command)
    site.wait_for(lambda: site.beats)
    site.wait_for(lambda: pid_file.exists() and pid_file.read_text().strip())
    daemon = int(pid_file.read_text())
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert daemon not in [process.pid for process in process_table()]


def test_a_killed_parent_takes_the_training_with_it(
    runners: Any, home: Path, python: str, site: Any, wait_until: Any
) -> None:
    spec = json.dumps(runners.spec("train_daemon_grandchild", "hang"))
    with subprocess.Popen(
        [python, "-c", PARENT, str(home), spec], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        runner = int(parent.stdout.readline())
        runners.wait_for_word("START", 2)
        parent.kill()
    wait_until(lambda: not runners.alive())
    site.wait_for(lambda: site.finishes)
    assert site.finish["cause"] == "released"
    wait_until(lambda: not processes.environment_of(runner))


def test_a_killed_runner_leaves_only_what_the_cleanup_finds(
    runners: Any, home: Path, wait_until: Any
) -> None:
    runner = runners.start("train_daemon_grandchild", "hang", slot="host-0")
    runners.wait_for_word("START", 2)
    runner.kill()
    runner.wait(timeout=30)
    wait_until(lambda: len(runners.alive()) == 1)
    assert cleanup.kill_slot("host-1", home=home) == 0
    assert cleanup.kill_slot("host-0", home=home.parent) == 0
    assert cleanup.kill_slot("host-0", home=home) == 1
    assert not runners.alive()


def test_the_cleanup_kills_by_attempt_and_only_in_its_own_home(
    runners: Any, home: Path, wait_until: Any
) -> None:
    runner = runners.start("train_daemon_grandchild", "hang")
    runners.wait_for_word("START", 2)
    runner.kill()
    runner.wait(timeout=30)
    wait_until(lambda: len(runners.alive()) == 1)
    assert cleanup.kill_attempts([40, 4], home=home) == 0
    assert cleanup.kill_attempts([41], home=home.parent) == 0
    assert cleanup.kill_attempts([40, 41], home=home) == 1
    assert not runners.alive()


def test_dead_orphans_do_not_pile_up(runners: Any, site: Any, wait_until: Any) -> None:
    runner = runners.start("train_orphans", "100", "600")
    runners.wait_for_word("START")

    def zombies() -> int:
        table = process_table()
        return sum(process.zombie and process.parent == runner.pid for process in table)

    site.wait_for(lambda: len(site.beats) >= 5)
    wait_until(lambda: zombies() == 0)
    runner.terminate()
    assert runner.wait(timeout=30) == 0


def test_a_process_that_closes_its_output_works_on(runners: Any, site: Any) -> None:
    assert runners.run("train_closes_stdout", "0.3") == 0
    assert site.finish["exit_code"] == 0
    assert runners.words() == ["START", "END"]


def test_a_trial_out_of_file_handles_fails_alone(runners: Any, site: Any) -> None:
    limits = {"SWEEPSITE_LIMIT_OPEN_FILES": "64"}
    assert runners.run("train_opens_files", worker=limits) == 0
    assert site.finish["exit_code"] == 1
    assert "Too many open files" in site.text()


def test_a_trial_out_of_memory_fails_alone(runners: Any, site: Any) -> None:
    limits = {"SWEEPSITE_LIMIT_MEMORY_BYTES": str(300 << 20)}
    assert runners.run("train_eats_memory", worker=limits) == 0
    assert site.finish["exit_code"] == 1
    assert "MemoryError" in site.text()
    assert site.finish["peak_memory"] > 100 << 20


def test_a_bad_limit_is_the_worker_s_fault_and_named(runners: Any, site: Any) -> None:
    limits = {"SWEEPSITE_LIMIT_OPEN_FILES": "many"}
    assert runners.run("train_ok", worker=limits) == 0
    assert site.finish["cause"] == "worker_problem"
    assert "SWEEPSITE_LIMIT_OPEN_FILES is 'many'" in site.finish["message"]


def test_the_kernel_takes_the_training_before_the_worker(
    runners: Any, site: Any
) -> None:
    command = "cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status"
    # It gains no rights without its walls either.
    runners.run("sh", "-c", command, worker={"SWEEPSITE_ISOLATION": "off"})
    assert site.text().split() == ["500", "NoNewPrivs:", "1"]


def test_the_runner_s_memory_is_hidden_until_the_training_replaces_it() -> None:
    get_dumpable = 3
    child = os.fork()
    if child == 0:
        signals.hide_memory()
        signals.prefer_as_memory_victim()
        os._exit(not signals.prctl(get_dumpable, 0))
    assert os.waitpid(child, 0)[1] == 0


def test_the_training_is_killed_with_its_runner(
    runners: Any, site: Any, wait_until: Any
) -> None:
    runner = runners.start("train_ignores_stop")
    runners.wait_for_word("START")
    os.kill(runner.pid, signal.SIGKILL)
    wait_until(lambda: not runners.alive())


MISSED = """
import os, time
from pathlib import Path
from experiments.runner.environment import ATTEMPT_MARKER, SPOOL
from experiments.runner.process_tree import ProcessTree

environment = {**os.environ, ATTEMPT_MARKER: "1", SPOOL: "missed"}
argv = ["sh", "-c", "setsid sleep 600 & echo $!"]
tree = ProcessTree(argv, environment=environment, work=Path.cwd())
os.set_blocking(tree.output, True)
daemon = Path("/proc", os.read(tree.output, 100).decode().strip())
while not tree.reap():
    time.sleep(0.01)
assert daemon.exists()
survivors, looks = tree.survivors, []

def short_sighted():
    looks.append(survivors() if looks else [])
    return looks[-1]

tree.survivors = short_sighted
print(tree.kill(), daemon.exists(), tree.kill(), len(looks))
"""


def test_one_look_that_misses_a_process_is_not_believed(python: str) -> None:
    said = subprocess.run(
        [python, "-c", MISSED], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.split("\n")[0] == "[] False [] 3"
