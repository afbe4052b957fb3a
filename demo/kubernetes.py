"""The cluster as the demo uses it: through kubectl and Helm, like anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.platform import Platform

Json = dict[str, Any]
# kubectl finds its plugin `kubectl twin` there, in the folder of the running Python.
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
_WITHIN = 180  # seconds for one command, with all that it may wait for


class CommandError(Exception):
    """A command failed; the message is its output."""


@dataclass(frozen=True)
class Kubernetes:
    """Runs kubectl and Helm against a platform."""

    platform: Platform

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl and give what it prints.

        Raises:
            CommandError: it failed.
        """
        return self._run([self.platform.kubectl, *arguments], text)

    def helm(self, *arguments: str, text: str | None = None) -> str:
        """Run Helm and give what it prints.

        Raises:
            CommandError: it failed.
        """
        return self._run([self.platform.helm, *arguments], text)

    def items(self, kinds: str, *arguments: str) -> list[Json]:
        """List objects of some kinds, as JSON."""
        found: list[Json] = json.loads(self.kubectl("get", kinds, *arguments, "-o", "json"))["items"]
        return found

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a kubectl that goes on until it is terminated; what it prints is in its `stdout`."""
        return subprocess.Popen(  # noqa: S603 - the program of the development cluster
            [self.platform.kubectl, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.platform.kubeconfig, "PATH": _PATH}

    def _run(self, command: list[str], text: str | None) -> str:
        answer = subprocess.run(  # noqa: S603 - the programs of the development cluster
            command,
            input=text,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        if answer.returncode != 0:
            raise CommandError(f"{' '.join(command)}\n{answer.stderr.strip()}")
        return answer.stdout
