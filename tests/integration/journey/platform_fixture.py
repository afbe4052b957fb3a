"""An operator and its workers as processes of a test, on the session's cluster, Redis and MLflow."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from mlflow import MlflowClient

from devcluster.layout import free_ports
from tests.integration import redis_users, release_account
from tests.integration.conftest import WITHIN
from tests.upgrade.gated_data import GatedData, serving

COMMAND = str(Path(sys.executable).with_name("twin-operator"))
PORTS = ("TWINOPS_HEALTH_PORT", "TWINOPS_METRICS_PORT")
STOP_SECONDS = 120  # a worker finishes its tasks
QUEUES = {"light": "simulations,trials,validation", "heavy": "training"}  # of each worker process
PARKED = ("parked", "parked-traces", "lost")  # queues where messages stay: no worker process consumes them
POOL = {
    "queues": ["simulations", "trials", "validation", "training", *PARKED],
    "autoscaling": {"minReplicas": 0, "maxReplicas": 1, "pollSeconds": 300},
    "template": {"spec": {"nodeSelector": {"twinops.dev/tests": "none"}}},
}
"""A WorkerPool for the queues of the worker processes, without which nothing is published; its Pods have no node."""


@dataclass
class Program:
    """A process that can be killed and started again."""

    arguments: Sequence[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a process group of its own."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [COMMAND, *self.arguments], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def kill(self) -> None:
        """Kill it and its children at once, as a lost node does."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask_to_end(self) -> None:
        """Ask it to end, as `kubectl delete pod` does, and do not wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Platform:
    """What a test talks to."""

    kube: Any
    namespace: str
    data: Path
    operator: Program
    workers: dict[str, Program] = field(default_factory=dict)
    redis_url: str = ""
    mlflow_url: str = ""
    gated: GatedData | None = None

    def hold(self, file: str, content: str = "campaign.csv") -> str:
        """Return the address of a copy of a file of data whose readers wait until `release`: they are in training."""
        assert self.gated is not None
        shutil.copy(self.data / content, self.data / file)
        self.gated.gate.clear()
        return f"{self.gated.url}{file}"

    def release(self) -> None:
        """Let those who read held data go on."""
        assert self.gated is not None
        self.gated.gate.set()

    @property
    def archive_url(self) -> str:
        """Address of the archive."""
        return self.operator.environment["TWINOPS_ARCHIVE_URL"]

    def patch(self, kind: str, name: str, spec: dict[str, Any], *args: str, check: bool = True) -> str:
        """Merge into a spec, as a person does."""
        text = json.dumps({"spec": spec})
        where = (kind, name, "-n", self.namespace)
        answer: str = self.kube.kubectl("patch", *where, "--type=merge", "-p", text, *args, check=check)
        return answer

    def watch_job(self, name: str, phase: str) -> None:
        """Watch a RetrainingJob until it is in a phase that may not last: polling could miss it."""
        wanted = f"--for=jsonpath={{.status.phase}}={phase}"
        self.kube.kubectl("wait", f"retrainingjob/{name}", "-n", self.namespace, wanted, "--timeout=180s")

    async def configuration(self, *, operator: bool = False) -> Configuration:
        """Return how a client in the test's own process reaches the API server: as administrator, or as operator."""
        kubeconfig = self.operator.environment["KUBECONFIG"] if operator else str(self.kube.kubeconfig)
        chosen = Configuration()
        chosen.disable_strict_ssl_verification = True
        await config.load_kube_config(config_file=kubeconfig, client_configuration=chosen)  # type: ignore[no-untyped-call]
        return chosen

    def tags(self, model: str, version: str) -> dict[str, str]:
        """Return the registry's tags of a version of a model of this namespace."""
        client = MlflowClient(self.mlflow_url, self.mlflow_url)
        return dict(client.get_model_version(f"{self.namespace}.{model}", version).tags)

    def versions(self, model: str) -> list[str]:
        """Return the versions of a model of this namespace in the registry, oldest first."""
        client = MlflowClient(self.mlflow_url, self.mlflow_url)
        found = client.search_model_versions(f"name='{self.namespace}.{model}'")
        return sorted((str(each.version) for each in found), key=int)

    def champion(self, model: str) -> str:
        """Return the version with the registry's alias `champion` of a model of this namespace."""
        client = MlflowClient(self.mlflow_url, self.mlflow_url)
        return str(client.get_model_version_by_alias(f"{self.namespace}.{model}", "champion").version)

    def metrics(self) -> str:
        """Return what the operator shows to Prometheus."""
        port = self.operator.environment["TWINOPS_METRICS_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    def events(self, name: str) -> dict[str, str]:
        """Return the messages of an object's Events by reason."""
        found = self.kube.get("events", "-n", self.namespace, f"--field-selector=involvedObject.name={name}")
        return {event["reason"]: event["message"] for event in found["items"]}

    def standby(self, name: str) -> Program:
        """Return a second operator, not started yet."""
        ports = {key: str(port) for key, port in zip(PORTS, free_ports(2), strict=True)}
        environment = {**self.operator.environment, **ports, "TWINOPS_IDENTITY": name}
        return Program(["run"], environment, self.operator.log.with_name(f"{name}.log"))

    def manifest(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Return a resource in the test's namespace."""
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "twinops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    def apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Apply a resource."""
        self.kube.apply(self.manifest(kind, name, spec))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Read a resource."""
        body: dict[str, Any] = self.kube.requests.read(self.namespace, kind, name)
        return body

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any] | None:
        """Return a condition, or None."""
        conditions = self.get(kind, name)["status"].get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), None)

    def until_condition(self, kind: str, name: str, type_: str, reason: str, within: float = WITHIN) -> dict[str, Any]:
        """Wait until a condition has a reason; return it."""

        def look() -> dict[str, Any] | None:
            found = self.condition(kind, name, type_)
            return found if found and found["reason"] == reason else None

        condition: dict[str, Any] = self.kube.until(look, within)
        return condition

    def until_phase(self, kind: str, name: str, phase: str, within: float = WITHIN) -> dict[str, Any]:
        """Wait until a resource is in a phase; return it."""

        def look() -> dict[str, Any] | None:
            body = self.get(kind, name)
            return body if body["status"]["phase"] == phase else None

        body: dict[str, Any] = self.kube.until(look, within)
        return body


def operator_environment(kube: Any, redis_url: str, mlflow_url: str, namespace: str, folder: Path) -> dict[str, str]:
    """Return the environment of an operator as the chart runs it: its account and users, and short intervals."""
    ports = {key: str(port) for key, port in zip(PORTS, free_ports(2), strict=True)}
    account = release_account.create(kube, namespace, folder)
    workers = {
        "TWINOPS_REDIS_URL": redis_users.address(redis_url, "worker"),
        "TWINOPS_MLFLOW_TRACKING_URI": mlflow_url,
        "TWINOPS_SIGNING_KEY": secrets.token_hex(32),
    }
    return {
        **os.environ,
        **workers,
        **ports,
        "KUBECONFIG": str(account.kubeconfig),
        "TWINOPS_LEASE_NAME": account.name,
        "TWINOPS_REDIS_URL": redis_users.address(redis_url, "operator"),
        "TWINOPS_NAMESPACE": namespace,
        "TWINOPS_LOG_FORMAT": "text",
        "TWINOPS_RESYNC_SECONDS": "5",
        "TWINOPS_DATA_RETRY_SECONDS": "5",
        "TWINOPS_DATA_WATCH_SECONDS": "2",
        "TWINOPS_ARCHIVE_URL": f"sqlite:///{folder}/archive.db",
        "TWINOPS_IDENTITY": "operator",
        "OMP_NUM_THREADS": "1",
        "TWINOPS_WORKER_IMAGE": "twin-operator:test",
        "TWINOPS_WORKER_ENV": json.dumps([{"name": name, "value": value} for name, value in workers.items()]),
    }


@contextmanager
def running_platform(
    kube: Any,
    redis_url: str,
    mlflow_url: str,
    namespace: str,
    folder: Path,
    data: Path,
    readable: Sequence[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Platform]:
    """Run an operator and two workers until the end of the block; templates of pools may mount the folder `data`.

    `readable`: addresses from which workers may read data, besides the folder `data`, by HTTP as well. `settings`:
    variables of the operator and its workers instead of those of `operator_environment`, such as the archive's address.
    """
    with serving(data) as gated:
        addresses = [f"file://{data}/", "file:///data/", gated.url, *readable]
        volume = {"dataVolume": {"hostPath": {"path": str(data)}}, "dataReadOnly": False}
        allowed = {
            "TWINOPS_DATA_ALLOW": json.dumps(addresses),
            "TWINOPS_TEMPLATES_ALLOWED": json.dumps(volume),
        }
        common = {**operator_environment(kube, redis_url, mlflow_url, namespace, folder), **allowed, **settings}
        operator = Program(["run"], common, folder / "operator.log")
        platform = Platform(kube, namespace, data, operator, redis_url=redis_url, mlflow_url=mlflow_url, gated=gated)
        platform.workers |= _workers(common, redis_url, folder)
        yield from _running(platform)
    assert release_account.refused(kube, release_account.account_name(namespace)) == []


def _workers(common: Mapping[str, str], redis_url: str, folder: Path) -> dict[str, Program]:
    workers = {}
    for (name, queues), port in zip(QUEUES.items(), free_ports(2), strict=True):
        environment = {
            **common,
            "TWINOPS_REDIS_URL": redis_users.address(redis_url, "worker"),
            "TWINOPS_BANK_DIRECTORY": str(folder / name),
            "TWINOPS_METRICS_PORT": str(port),
            "TWINOPS_IDENTITY": name,
        }
        workers[name] = Program(["worker", "--queues", queues], environment, folder / f"{name}.log")
    return workers


def _running(platform: Platform) -> Iterator[Platform]:
    programs = [platform.operator, *platform.workers.values()]
    try:
        for program in programs:
            program.start()
        platform.apply("WorkerPool", "processes", POOL)
        yield platform
    finally:
        for program in programs:
            program.ask_to_end()
        for program in programs:
            program.stop()
