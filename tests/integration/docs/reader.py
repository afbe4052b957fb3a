"""What a reader of the documentation has: a cluster with a release, a folder of data, and a twin of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from devcluster import services
from tests.integration.conftest import Kube, running_cluster
from tests.integration.docs.documented import ROOT
from tests.integration.journey import experiments

NAMESPACE: Final = "twin-operator"
WITHIN: Final = 900.0  # seconds for a step: it ends what hangs, for a worker has to start and train in some of them
JOBS: Final = ("spring-4x7kd", "spring-9c2mq")
_INSTALLED = ("--create-namespace", "--wait", "--timeout", "10m")
_API = "twinops.dev/v1alpha1"


@dataclass(frozen=True)
class Reader:
    """The environment that a reader's shell has, and where it is."""

    environment: Mapping[str, str]
    data: Path

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl.

        Raises:
            AssertionError: it failed.
        """
        answer = subprocess.run(
            ["kubectl", *arguments],
            env={**os.environ, **self.environment},
            input=text,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
        assert answer.returncode == 0, f"kubectl {' '.join(arguments)}: {answer.stderr}"
        return answer.stdout


def reader(kubeconfig: str, programs: Path, data: Path) -> Reader:
    """Return a reader with kubectl and Helm in `programs`, the plugin of the environment, and passwords."""
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    passwords = {f"{user}_PASSWORD": f"sesame{user.lower()}" for user in ("OPERATOR", "WORKER", "EVENTS")}
    return Reader({"KUBECONFIG": kubeconfig, "PATH": path, "DATA": str(data), **passwords}, data)


@contextmanager
def on_a_fresh_cluster(folder: Path, mlflow_url: str) -> Iterator[Reader]:
    """Install the chart on a cluster of its own until the end of the block."""
    data = folder / "data"
    for each in ("data", "cluster", "redis"):
        (folder / each).mkdir()
    with running_cluster(folder / "cluster") as kube, services.redis(folder / "redis") as redis:
        values = {
            "image": {"repository": "twin-operator"},
            "redis": {"url": redis.url},
            "mlflow": {"trackingUri": mlflow_url},
            "archive": {"volume": {"emptyDir": {}}},
            "dataWatch": {"intervalSeconds": 10},
            "workers": {"data": {"volume": {"hostPath": {"path": str(data)}}}},
        }
        _install(kube, folder, values)
        yield reader(str(kube.kubeconfig), kube.helm.parent, data)


def _install(kube: Kube, folder: Path, values: Mapping[str, object]) -> None:
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    chart = ["install", "twin-operator", str(ROOT / "charts" / "twin-operator"), "--namespace", NAMESPACE]
    command = [str(kube.helm), *chart, "--values", str(file), *_INSTALLED]
    environment = {**os.environ, "KUBECONFIG": str(kube.kubeconfig)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert answer.returncode == 0, answer.stderr


@contextmanager
def on_the_demo() -> Iterator[Reader]:
    """Run the demo and leave everything running until the end of the block, by the commands of the README."""
    try:
        subprocess.run(["make", "demo", "KEEP=1"], cwd=ROOT, check=True, timeout=3600)
        demo = ROOT / ".run" / "demo"
        platform = json.loads((demo / "platform.json").read_text())
        yield reader(platform["kubeconfig"], Path(platform["kubectl"]).parent, demo / "data")
    finally:
        subprocess.run(["make", "demo", "STOP=1"], cwd=ROOT, check=True, timeout=600)


def own_twin(reader: Reader) -> None:
    """Create the twin `spring` that docs/ speaks of, a question to it, and two retrainings; wait for the answer."""
    experiments.write(reader.data / "spring.csv", experiments.rows(experiments.waves(5), effect=0.15))
    specs = {
        ("TwinModel", "spring"): experiments.spec("file:///data/spring.csv"),
        ("Simulation", "spring-mailing"): {"modelRef": {"name": "spring"}, "intervention": {"arm": "Letter"}},
    }
    _apply(reader, specs)
    wait = ("wait", "--for=condition=Ready", "twinmodel/spring", "simulation/spring-mailing", f"--timeout={WITHIN}s")
    reader.kubectl(*wait)


def customers(reader: Reader) -> None:
    """Write the table that the README asks a first question of: a coupon brings one customer in ten more."""
    rows = np.random.default_rng(1)
    lines = ["months_since_purchase,channel,arm,visited"]
    for _ in range(2000):
        arm = rows.choice(["none", "coupon"])
        visited = int(rows.random() < (0.3 if arm == "coupon" else 0.2))
        lines.append(f"{rows.integers(12)},{rows.choice(['Web', 'Phone'])},{arm},{visited}")
    (reader.data / "customers.csv").write_text("\n".join(lines) + "\n")


def retrainings_of_own_twin(reader: Reader) -> None:
    """Ask for the retrainings that docs/approval.md decides about, and wait until the first waits for approval."""
    job = {"modelRef": {"name": "spring"}}
    _apply(reader, {("RetrainingJob", JOBS[0]): job})
    wanted = "--for=jsonpath={.status.phase}=AwaitingApproval"
    reader.kubectl("wait", wanted, f"retrainingjob/{JOBS[0]}", f"--timeout={WITHIN}s")
    _apply(reader, {("RetrainingJob", JOBS[1]): job})


def _apply(reader: Reader, specs: Mapping[tuple[str, str], object]) -> None:
    items = [
        {"apiVersion": _API, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}
        for (kind, name), spec in specs.items()
    ]
    reader.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


@dataclass(frozen=True)
class StoodIn:
    """What `make run` did: its log, and the replicas of the release's own operator during and after it."""

    log: str
    replicas_during: int
    replicas_after: int


def stand_in(reader: Reader, log: Path) -> StoodIn:
    """Run `make run`, have it train and answer `spring`, and end it by Ctrl-C."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env={**os.environ, **reader.environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _until_it_leads(process, log)
            during = _replicas(reader)
            own_twin(reader)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(WITHIN)
    reader.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/twin-operator", f"--timeout={WITHIN}s")
    return StoodIn(log.read_text(), during, _replicas(reader))


def _until_it_leads(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while "This process leads." not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _replicas(reader: Reader) -> int:
    return int(reader.kubectl("get", "deployment/twin-operator", "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}"))
