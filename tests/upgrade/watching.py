"""What a watch saw of Simulations, from the first to the last."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.conftest import Kube

_COLUMNS = "NAME:.metadata.name,PHASE:.status.phase,COMPLETED:.status.completionTime,EFFECT:.status.effect.estimate"
_ENDED = ("Succeeded", "Failed")
_END = 30  # seconds for kubectl to end


class Watch:
    """Records every end of a Simulation that a watch of the API server shows, in the order of the changes.

    A watch ends when a CRD is replaced; then the next one begins with the state at that time.
    """

    def __init__(self, kube: Kube, namespace: str) -> None:
        watch = ("get", "simulations", "--namespace", namespace, "--watch", "--no-headers")
        self._command = [str(kube.cluster.kubectl), *watch, "-o", f"custom-columns={_COLUMNS}"]
        self._kubeconfig: Path = kube.kubeconfig
        self._ends: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._stopped = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def ends(self) -> dict[str, set[tuple[str, ...]]]:
        """Return the different ends (phase, time, effect) by Simulation; one each where a status is set once."""
        return dict(self._ends)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            environment = {**os.environ, "KUBECONFIG": str(self._kubeconfig)}
            with subprocess.Popen(self._command, env=environment, stdout=subprocess.PIPE, text=True) as process:
                self._process = process
                for line in process.stdout or ():
                    self._record(line)

    def _record(self, line: str) -> None:
        name, *state = line.split()
        left_an_end = name in self._ends
        if left_an_end or state[0] in _ENDED:
            self._ends[name].add(tuple(state))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(_END)
