"""How the tests of devcluster create Pods and read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Kube

Json = dict[str, Any]


class Workbench:
    """Pods with one container, `main`, in the test's namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    def kubectl(self, *args: str) -> str:
        """Run kubectl in the namespace."""
        return str(self.kube.kubectl("-n", self.namespace, *args))

    def create(self, name: str, script: str, main: Json | None = None, **spec: Any) -> None:
        """Create a Pod that runs a shell script."""
        container = {"name": "main", "image": "host", "command": ["sh", "-c", script], **(main or {})}
        self.apply("v1", "Pod", name, spec={"restartPolicy": "Never", "containers": [container], **spec})

    def apply(self, version: str, kind: str, name: str, **rest: Any) -> None:
        """Apply an object in the namespace."""
        metadata = {"name": name, "namespace": self.namespace}
        self.kube.apply({"apiVersion": version, "kind": kind, "metadata": metadata, **rest})

    def get(self, kind: str, name: str) -> Json:
        """Read an object of the namespace."""
        found: Json = self.kube.get(kind, name, "-n", self.namespace)
        return found

    def main(self, name: str) -> Json:
        """Give the status of a Pod's container; empty while there is none."""
        found: Json = self.get("pod", name).get("status", {}).get("containerStatuses", [{}])[0]
        return found

    def until(self, name: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until the status of a Pod's container is as wanted, and give it."""

        def look() -> Json:
            status = self.main(name)
            return status if status and holds(status) else {}

        found: Json = self.kube.until(look)
        return found

    def ended(self, name: str) -> Json:
        """Wait until a Pod has ended, and give how."""
        status = self.until(name, lambda status: "terminated" in status["state"])
        end: Json = status["state"]["terminated"]
        return end

    def running(self, name: str) -> int:
        """Wait until a Pod's container runs, and give the process id that it has on the host."""
        status = self.until(name, lambda status: "running" in status["state"])
        return int(status["containerID"].removeprefix("process://"))

    def log_file(self, name: str) -> Path:
        """Find the log where the annotation says that it is."""
        return Path(self.get("pod", name)["metadata"]["annotations"]["devcluster.twinops.dev/log.main"])

    def output(self, name: str) -> str:
        """Wait until a Pod has ended, and give its log."""
        self.ended(name)
        return self.log_file(name).read_text()


@pytest.fixture
def bench(kube: Kube, namespace: str) -> Workbench:
    """Where a test makes its Pods."""
    return Workbench(kube, namespace)
