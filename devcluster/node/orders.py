"""Turns a container's specification into the order that a sandbox runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from devcluster.layout import LOOPBACK, MARK, Layout
from devcluster.node import images
from devcluster.node.api import Json
from devcluster.node.environment import ConfigurationError, Environment, expand
from devcluster.node.volumes import Volumes
from devcluster.sandbox.container import Order
from devcluster.sandbox.rootfs import Mount

_LONGEST_HOSTNAME = 63  # characters of a host name


@dataclass(frozen=True)
class Orders:
    """What the containers of one Pod have in common."""

    pod: Json
    address: str
    layout: Layout
    api_port: int
    directory: Path  # the Pod's own scratch folder
    environment: Environment
    volumes: Volumes

    @property
    def _hostname(self) -> str:
        return str(self.pod["spec"].get("hostname") or self.pod["metadata"]["name"])[:_LONGEST_HOSTNAME]

    def prepare(self) -> None:
        """Make the folder that becomes the root of each container, and the table of hosts."""
        (self.directory / "root").mkdir(parents=True, exist_ok=True)
        hosts = f"127.0.0.1 localhost\n::1 localhost\n{self.address} {self._hostname}\n"
        (self.directory / "hosts").write_text(hosts)

    async def order(self, spec: Json) -> Order:
        """Resolve all that a container refers to.

        Raises:
            ConfigurationError: something is missing.
            ApiError: the API server refused to say.
        """
        image = images.find(spec.get("image", ""))
        environment = await self.environment.resolve(spec, image.environment | self._given())
        argv = [*(spec.get("command") or image.entrypoint), *(spec.get("args") or [])]
        if not argv:
            raise ConfigurationError(f"image {spec.get('image')} has no entrypoint here: the container needs a command")
        hosts = Mount(str(self.directory / "hosts"), "/etc/hosts")
        return Order(
            argv=[expand(word, environment) for word in argv],
            environment=environment,
            directory=spec.get("workingDir") or "/",
            hostname=self._hostname,
            root=str(self.directory / "root"),
            mounts=[hosts, *self.volumes.mounts(spec, environment)],
            exposed=list(image.exposed),
            agent=os.getpid(),
        )

    def _given(self) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": LOOPBACK,
            "KUBERNETES_SERVICE_PORT": str(self.api_port),
            "HOSTNAME": self._hostname,
            MARK: str(self.layout.directory),
        }
