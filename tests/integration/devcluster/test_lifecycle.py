"""The cluster as a whole: up, up again, down, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
COMPONENTS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
ADDRESS = ["get", "pod/sleeper", "-o", "jsonpath={.status.podIP}"]
WITHIN = 300.0  # seconds
SLEEPER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "sleeper", "namespace": "default"},
    "spec": {
        "containers": [
            {"name": "main", "image": "host", "command": ["sh", "-c", "setsid sleep 7777 & while :; do sleep 1; done"]}
        ]
    },
}


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while not (found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def processes_of(directory: Path) -> list[int]:
    """Find every process of a cluster by the mark in its environment."""
    mark = f"DEVCLUSTER_DIRECTORY={directory}".encode()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in environment(pid)]  # noqa: PTH208


def is_ready(site: Site) -> bool:
    """Whether a supervisor that runs says that the cluster is ready; an earlier one may have left its word."""
    if not (site.directory / "state.json").exists():
        return False
    state = site.state()
    return state["phase"] == "ready" and state["supervisor"] in processes_of(site.directory)


def environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


class Site:
    """A cluster in a directory, driven from the command line."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.argv = [sys.executable, "-m", "devcluster", "--directory", str(directory)]

    def run(self, *args: str, code: int = 0) -> str:
        """Run a command of devcluster and give what it prints."""
        answer = subprocess.run([*self.argv, *args], capture_output=True, text=True, timeout=WITHIN, check=False)
        assert answer.returncode == code, answer.stdout + answer.stderr
        return answer.stdout

    def kubectl(self, *args: str, text: str | None = None) -> str:
        """Run kubectl as the administrator."""
        cluster = Cluster(self.directory)
        command = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", *args]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def state(self) -> dict[str, Any]:
        """Read what the supervisor says."""
        found: dict[str, Any] = json.loads((self.directory / "state.json").read_text())
        return found

    def start_sleeper(self) -> None:
        """Create a Pod with several processes."""
        self.kubectl("apply", "-f", "-", text=json.dumps(SLEEPER))
        self.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=180s")

    def is_gone(self) -> bool:
        """Whether no process of the cluster is left."""
        return not processes_of(self.directory)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "cluster")
    yield site
    site.run("down", "--delete")


@pytest.fixture
def running(site: Site) -> Site:
    """The site with its cluster running, whatever the test before has left."""
    site.run("up")
    return site


@pytest.fixture
def ended(site: Site) -> Site:
    """The site without a process."""
    site.run("down")
    return site


def test_up_leaves_a_cluster_running_and_a_second_up_changes_nothing(running: Site) -> None:
    site = running
    first = site.state()
    assert set(first["processes"]) == COMPONENTS
    site.run("up")
    assert site.state() == first
    assert site.run("kubeconfig").strip() == str(site.directory / "kubeconfig")
    assert all(name in site.run("status") for name in COMPONENTS)


def test_a_component_that_dies_is_started_again(running: Site) -> None:
    site = running
    killed = site.state()["processes"]["kube-scheduler"]
    os.kill(killed, signal.SIGKILL)
    until(lambda: site.state()["processes"]["kube-scheduler"] != killed)
    site.start_sleeper()


def test_a_killed_supervisor_takes_every_process_with_it_and_up_restarts_them(running: Site) -> None:
    site = running
    site.start_sleeper()
    container = ["get", "pod/sleeper", "-o", "jsonpath={.status.containerStatuses[0]}"]
    before = json.loads(site.kubectl(*container))["restartCount"]
    address = site.kubectl(*ADDRESS)
    # 4 components, and of the Pod the witness, the shell, its child in a session of its own and a `sleep`
    assert len(processes_of(site.directory)) >= 8
    os.kill(site.state()["supervisor"], signal.SIGKILL)
    until(site.is_gone)
    assert "no cluster runs" in site.run("status", code=1)
    assert "keeping the objects" in site.run("up")
    status = until(lambda: (found := json.loads(site.kubectl(*container)))["restartCount"] > before and found)
    assert status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    site.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=180s")
    assert site.kubectl(*ADDRESS) == address


def test_containers_that_end_with_the_cluster_are_not_told_as_failed(running: Site) -> None:
    """One of two containers ends at once, the other a second later: time enough to tell of the first."""
    site = running
    slow = "trap 'sleep 1; exit 1' TERM; while :; do sleep 0.1; done"
    commands = {"quick": ["sleep", "7777"], "slow": ["sh", "-c", slow]}
    containers = [{"name": name, "image": "host", "command": command} for name, command in commands.items()]
    pod = {**SLEEPER, "metadata": {"name": "pair", "namespace": "default"}, "spec": {"containers": containers}}
    site.kubectl("apply", "-f", "-", text=json.dumps(pod))
    site.kubectl("wait", "pod/pair", "--for=condition=Ready", "--timeout=180s")
    site.run("down")
    site.run("up")
    restarted = ["get", "pod/pair", "-o", "jsonpath={.status.containerStatuses[*].lastState.terminated.reason}"]
    until(lambda: site.kubectl(*restarted) == "ContainerStatusUnknown ContainerStatusUnknown")
    site.kubectl("delete", "pod/pair")


def test_down_leaves_no_process(running: Site) -> None:
    assert not running.is_gone()
    running.run("down")
    assert running.is_gone()


def test_ctrl_c_takes_a_cluster_in_the_foreground_down(ended: Site) -> None:
    site = ended
    with subprocess.Popen([*site.argv, "up", "--foreground"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "Ctrl-C" in line)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(WITHIN)
        finally:
            process.kill()
    assert site.is_gone()


def test_a_cluster_of_a_program_dies_with_it(ended: Site) -> None:
    site = ended
    script = f"import time; from devcluster import Cluster; Cluster({str(site.directory)!r}).up(); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        until(lambda: is_ready(site))
        process.kill()
    until(site.is_gone)
