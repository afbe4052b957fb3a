"""A cluster as its user sees it: bring it up, use its kubeconfig, take it down."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from devcluster import processes
from devcluster.binaries import Binaries, find
from devcluster.layout import MARK, Layout, State
from devcluster.node.images import IMAGES

_READY_WITHIN = 360.0  # seconds: the supervisor gives up sooner, and says why
_GONE_WITHIN = 30.0  # seconds for a clean end, with the grace of every Pod; then SIGKILL
_POLL = 0.05  # seconds between reads
_SHOWN_OF_FAILURE = 20  # lines of the supervisor's log


class ClusterError(Exception):
    """The cluster did not come up; the message has the end of its log."""


class Cluster:
    """A development cluster in a directory of its own.

    As a context manager it lives as long as the block, and never longer than this process; `up()`
    with `detached=True` leaves it running until `down()`. `images` has virtual environments of other
    versions of the project, by name of image.
    """

    def __init__(
        self, directory: Path | str, say: Callable[[str], None] = print, images: Mapping[str, Path] | None = None
    ) -> None:
        self._images = {name: str(prefix) for name, prefix in (images or {}).items()}
        self._layout = Layout(Path(directory).absolute())
        self._say = say
        self._binaries: Binaries | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> Path:
        """Where everything of the cluster is."""
        return self._layout.directory

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; there once the cluster has been up."""
        return self._layout.kubeconfig

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version as the API server."""
        return self._programs().kubectl

    @property
    def helm(self) -> Path:
        """Helm 4."""
        return self._programs().helm

    def _programs(self) -> Binaries:
        if self._binaries is None:
            self._binaries = find(self._say)
        return self._binaries

    def is_running(self) -> bool:
        """Whether a supervisor runs this cluster."""
        return self._layout.is_running()

    def state(self) -> State | None:
        """What the supervisor said last; None when there has been none."""
        return self._layout.read_state()

    def up(self, *, detached: bool = False) -> None:
        """Bring the cluster up and wait until its API server and node are ready; nothing to do if they are.

        The objects of an earlier run in the same directory, ended or crashed, are kept.

        Raises:
            ClusterError: it did not come up, or this machine refuses namespaces.
            BuildError: its programs are not there and cannot be built.
        """
        self._programs()
        self._layout.create()
        if not self.is_running():
            _check_namespaces()
            self._start(detached=detached)
        self._wait_until_ready()

    def _start(self, *, detached: bool) -> None:
        if self._layout.etcd.exists():
            self._say(f"keeping the objects of an earlier run in {self.directory} (`down --delete` starts afresh)")
        path = os.pathsep.join(filter(None, [str(processes.PROJECT), os.environ.get("PYTHONPATH")]))
        variables = {"PYTHONPATH": path, MARK: str(self.directory), IMAGES: json.dumps(self._images)}
        command = [sys.executable, "-m", "devcluster.supervisor", str(self.directory), "free" if detached else "leash"]
        with self._layout.log("supervisor").open("wb") as log:
            self._supervisor = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | variables,
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while not self._is_ready():
            ended = self._supervisor is not None and self._supervisor.poll() is not None
            if ended and self.is_running():
                self._supervisor = None  # another process was quicker to bring it up
            elif ended or time.monotonic() > deadline:
                raise ClusterError(f"the cluster in {self.directory} did not come up:\n{self._failure()}")
            time.sleep(_POLL)

    def _is_ready(self) -> bool:
        state = self.state()
        ours = state is not None and (self._supervisor is None or state.supervisor == self._supervisor.pid)
        return state is not None and ours and state.phase == "ready"

    def _failure(self) -> str:
        state = self.state()
        if state is not None and state.message:
            return f"{state.message}\nlogs: {self._layout.logs}"
        lines = self._layout.log("supervisor").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_SHOWN_OF_FAILURE:])

    def wait(self) -> None:
        """Wait until the cluster ends; for one that this process has started."""
        if self._supervisor is not None:
            self._supervisor.wait()

    def down(self, *, delete: bool = False) -> None:
        """End every process of the cluster; with `delete`, its objects, keys and logs go too."""
        state = self.state()
        if state is not None and self.is_running():
            with suppress(ProcessLookupError):
                self._end(state.supervisor)
        if self._supervisor is not None:
            self._supervisor.wait()
            if self._supervisor.stdin is not None:
                self._supervisor.stdin.close()
        self._supervisor = None
        if delete:
            shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _end(supervisor: int) -> None:
        """End a supervisor, and wait until it is no more: then nothing of the cluster is."""
        handle = os.pidfd_open(supervisor)
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], _GONE_WITHIN)[0]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [])
        finally:
            os.close(handle)

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self._end_own()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_own()

    def _end_own(self) -> None:
        """Take down what this object has brought up; a cluster that ran before goes on."""
        if self._supervisor is not None:
            self.down()


def _check_namespaces() -> None:
    answer = subprocess.run(processes.sandbox_program("check"), capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(answer.stderr.strip())
