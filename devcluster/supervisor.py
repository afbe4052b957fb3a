"""The process that owns a cluster: starts its programs, keeps them up, runs the node agent, and ends them all.

It ends on SIGTERM and SIGINT and, on a leash, when its standard input closes because whoever
started it has died.  Killed outright, it takes every process of the cluster with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp

from devcluster import controlplane, processes
from devcluster.binaries import Binaries, find
from devcluster.certificates import Pair
from devcluster.layout import MARK, Layout, State
from devcluster.node.agent import Agent, NodeSettings

PATIENCE = 4.0  # seconds a component gets to end by itself: etcd and the API server need about one
RESTART_PAUSE = 1.0  # seconds before a component that ended by itself is started again
READY_WITHIN = 300.0  # seconds for the API server; 3 are usual, and more than 60 were seen on a busy machine
LOCK_PATIENCE = 1.0  # seconds: who only checks whether a cluster runs holds the lock for a moment
_ANSWER = 5.0  # seconds for one answer about health
_POLL = 0.05  # seconds between reads at the API server's health


class NotReadyError(Exception):
    """The control plane did not become healthy; its logs say why."""


class Supervisor:
    """One cluster while it runs."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._environment = {**os.environ, MARK: str(layout.directory)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def run(self, binaries: Binaries, stop: asyncio.Event) -> None:
        """Bring the cluster up, wait for the end, and bring it down."""
        self._say("starting")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end)
            await _unless(stop, self._start(binaries, stack))
            if not stop.is_set():
                self._say("ready")
            await stop.wait()
            self._stopping = True
            self._say("stopping")

    async def _start(self, binaries: Binaries, stack: AsyncExitStack) -> None:
        layout, ports, keys = self._layout, self._layout.ports(), controlplane.create_credentials(self._layout)
        controlplane.write_kubeconfig(layout.kubeconfig, ports, keys.authority, keys.admin)
        self._keep(controlplane.etcd(binaries, layout, ports, keys))
        self._keep(controlplane.api_server(binaries, layout, ports, keys))
        server = controlplane.server_url(ports)
        context = client_context(keys.authority, keys.node)
        await _until_healthy(f"{server}/readyz", context)
        self._keep(controlplane.controller_manager(binaries, layout, ports, keys))
        self._keep(controlplane.scheduler(binaries, layout, ports, keys))
        agent = Agent(NodeSettings(layout=layout, ports=ports, name=controlplane.NODE, keys=keys), context)
        await stack.enter_async_context(agent)
        await agent.ready()
        # Pods are refused until the controller manager has made their service account.
        account = f"{server}/api/v1/namespaces/default/serviceaccounts/default"
        await _until_healthy(account, client_context(keys.authority, keys.admin))

    def _keep(self, component: controlplane.Component) -> None:
        self._launch(component)
        self._keepers.append(asyncio.create_task(self._restart(component)))

    def _launch(self, component: controlplane.Component) -> None:
        log = self._layout.log(component.name)
        self._processes[component.name] = processes.start(component.argv, log, self._environment)

    async def _restart(self, component: controlplane.Component) -> None:
        while True:
            code = await processes.exited(self._processes[component.name])
            print(f"{component.name} ended with {code}; starting it again", flush=True)
            await asyncio.sleep(RESTART_PAUSE)
            self._launch(component)
            self._say("ready", f"{component.name} ended with {code} and was started again")

    async def _end(self) -> None:
        """Stop the components in the reverse of the order they were started in."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in reversed(self._processes.values()):
            await processes.stop(process, PATIENCE)

    def _say(self, phase: str, message: str = "") -> None:
        pids = {name: process.pid for name, process in self._processes.items()}
        self._layout.write_state(State(phase=phase, supervisor=os.getpid(), message=message, processes=pids))


def client_context(authority: Pair, client: Pair) -> ssl.SSLContext:
    """Give a TLS context that trusts the cluster and shows a client certificate."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(client.certificate, client.key)
    return context


async def _until_healthy(url: str, context: ssl.SSLContext) -> None:
    deadline = time.monotonic() + READY_WITHIN
    connector, timeout = aiohttp.TCPConnector(ssl=context), aiohttp.ClientTimeout(total=_ANSWER)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        while not await _is_healthy(session, url):
            if time.monotonic() > deadline:
                raise NotReadyError(f"{url} did not answer well within {READY_WITHIN:g} s")
            await asyncio.sleep(_POLL)


async def _is_healthy(session: aiohttp.ClientSession, url: str) -> bool:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(url) as response:
            return response.status == 200  # noqa: PLR2004 - HTTP's OK
    return False


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work, but give it up when the end comes first."""
    task, end = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
    for each in (task, end):
        each.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _main(layout: Layout, *, on_leash: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if on_leash:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    await Supervisor(layout).run(find(), stop)


def main() -> None:
    """Arguments: the cluster's directory, and `leash` or `free`."""
    layout = Layout(Path(sys.argv[1]))
    layout.create()
    with layout.lock(LOCK_PATIENCE) as mine:
        if not mine:
            sys.exit(f"another supervisor runs the cluster in {layout.directory}")
        try:
            asyncio.run(_main(layout, on_leash=sys.argv[2] == "leash"))
        except Exception as error:
            layout.write_state(State("failed", os.getpid(), f"{type(error).__name__}: {error}"))
            raise


if __name__ == "__main__":
    main()
