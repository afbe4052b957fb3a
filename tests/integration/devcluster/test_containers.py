"""Containers: that they run, end, restart and are ended as a kubelet would have them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.devcluster.conftest import Workbench


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_pod_runs_and_its_log_is_where_the_annotation_says(bench: Workbench) -> None:
    bench.create("hello", "echo hello from $HOSTNAME")
    assert bench.ended("hello")["exitCode"] == 0
    bench.kube.until(lambda: bench.get("pod", "hello")["status"]["phase"] == "Succeeded")
    assert bench.log_file("hello").read_text() == "hello from hello\n"


def test_kubectl_logs_prints_a_log_and_its_tail(bench: Workbench) -> None:
    bench.create("lines", "echo one; echo two; echo three >&2")
    bench.ended("lines")
    assert bench.kubectl("logs", "lines") == "one\ntwo\nthree\n"
    assert bench.kubectl("logs", "lines", "--tail=1") == "three\n"


def test_kubectl_logs_follows_until_the_container_ends(bench: Workbench) -> None:
    bench.create("slow", "for i in 1 2 3; do echo $i; sleep 0.3; done")
    bench.running("slow")
    assert bench.kubectl("logs", "-f", "slow") == "1\n2\n3\n"


def test_a_container_that_fails_again_and_again_backs_off(bench: Workbench) -> None:
    bench.create("crash", "echo broken; exit 3", restartPolicy="Always")
    status = bench.until("crash", lambda s: s["restartCount"] >= 2 and "waiting" in s["state"])
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert "BackOff" in bench.kubectl("events", "--for", "pod/crash")
    assert bench.kubectl("logs", "--previous", "crash") == "broken\n"


def test_a_killed_process_is_started_again_and_says_how_it_died(bench: Workbench) -> None:
    bench.create("victim", "sleep 600", restartPolicy="Always")
    os.kill(bench.running("victim"), signal.SIGKILL)
    status = bench.until("victim", lambda s: s["restartCount"] == 1 and "running" in s["state"])
    assert status["lastState"]["terminated"]["exitCode"] == 137


def test_restart_on_failure_leaves_a_success_alone(bench: Workbench) -> None:
    bench.create("done", "exit 0", restartPolicy="OnFailure")
    bench.kube.until(lambda: bench.get("pod", "done")["status"]["phase"] == "Succeeded")
    assert bench.main("done")["restartCount"] == 0


def test_a_deleted_pod_gets_sigterm_and_time_to_end(bench: Workbench) -> None:
    bench.create("polite", "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    pid, log = bench.running("polite"), bench.log_file("polite")
    bench.kube.until(lambda: log.read_text() == "ready\n")
    bench.kubectl("delete", "pod", "polite", "--grace-period=30")
    assert log.read_text() == "ready\ngoodbye\n"
    assert not alive(pid)


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace_period(bench: Workbench) -> None:
    bench.create("stubborn", "trap '' TERM; setsid sleep 600 & echo ready; while :; do sleep 0.1; done")
    pid, log = bench.running("stubborn"), bench.log_file("stubborn")
    bench.kube.until(lambda: log.read_text() == "ready\n")
    family = descendants(pid)
    begun = time.monotonic()
    bench.kubectl("delete", "pod", "stubborn", "--grace-period=1")
    assert time.monotonic() - begun >= 1
    assert len(family) >= 2
    assert not any(map(alive, family)), "a child of the process was still running"


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in descendants(int(child)))]


def test_a_pod_that_is_forced_away_leaves_no_process(bench: Workbench) -> None:
    bench.create("forced", "trap '' TERM; while :; do sleep 0.1; done")
    pid = bench.running("forced")
    bench.kubectl("delete", "pod", "forced", "--grace-period=0", "--force")
    bench.kube.until(lambda: not alive(pid))


def test_init_containers_run_in_order_before_the_others(bench: Workbench) -> None:
    mounts = [{"name": "notes", "mountPath": "/notes"}]
    steps = [
        {"name": name, "image": "host", "command": ["sh", "-c", f"echo {name} >> /notes/all"], "volumeMounts": mounts}
        for name in ("first", "second")
    ]
    volumes = [{"name": "notes", "emptyDir": {}}]
    bench.create("steps", "cat /notes/all", {"volumeMounts": mounts}, initContainers=steps, volumes=volumes)
    assert bench.output("steps") == "first\nsecond\n"


def test_a_failed_init_container_fails_the_pod(bench: Workbench) -> None:
    init = {"name": "init", "image": "host", "command": ["false"]}
    bench.create("stillborn", "echo never", initContainers=[init])
    bench.kube.until(lambda: bench.get("pod", "stillborn")["status"]["phase"] == "Failed")
    assert "waiting" in bench.main("stillborn")["state"]


def test_a_program_that_is_not_there_is_a_start_error_that_names_it(bench: Workbench) -> None:
    bench.create("missing", "", {"command": ["no-such-program"]})
    end = bench.ended("missing")
    assert (end["reason"], end["exitCode"]) == ("StartError", 128)
    assert "no-such-program" in end["message"]


@pytest.mark.parametrize("repository", ["twin-operator", "registry.example:5000/team/twin-operator"])
def test_the_operators_image_is_the_projects_environment(bench: Workbench, repository: str) -> None:
    script = "import sys, pydantic; print(sys.prefix)"
    bench.create("ours", "", {"image": f"{repository}:1.0", "command": ["python", "-c", script]})
    assert bench.output("ours").strip() == sys.prefix
