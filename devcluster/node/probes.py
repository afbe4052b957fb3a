"""Readiness, liveness and startup probes: HTTP, TCP and commands, with a kubelet's thresholds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

Json = dict[str, Any]
Command = Callable[[list[str], float], Awaitable[tuple[int, str]]]

_GOOD = range(200, 400)  # HTTP status codes of a healthy answer


_SHOWN = 200  # characters of a command's output: its last words say what is wrong


class ProbeError(Exception):
    """One try failed; the message says how."""


@dataclass(frozen=True)
class Target:
    """What the probes of a container need to know about it."""

    address: str
    ports: dict[str, int]  # by name
    run: Command  # runs a command inside the container within so many seconds; gives its exit code and output

    def port(self, wanted: int | str) -> int:
        """Resolve a port that may be given by its name."""
        return int(self.ports.get(str(wanted), wanted))


async def watch(probe: Json, target: Target, tell: Callable[[bool, str], None]) -> None:
    """Try a probe for ever, and report its verdict whenever enough tries in a row have agreed on it."""
    await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
    needed = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
    last, agreeing = None, 0
    while True:
        result, message = await _attempt(probe, target)
        agreeing = agreeing + 1 if result is last else 1
        last = result
        if agreeing >= needed[result]:
            tell(result, message)
        await asyncio.sleep(probe.get("periodSeconds", 10))


async def _attempt(probe: Json, target: Target) -> tuple[bool, str]:
    seconds = float(probe.get("timeoutSeconds", 1))
    try:
        async with asyncio.timeout(seconds):
            await _try(probe, target, seconds)
    except TimeoutError:
        return False, f"no answer within {seconds:g} s"
    except (ProbeError, OSError, aiohttp.ClientError, ValueError) as error:
        return False, str(error) or type(error).__name__
    return True, ""


async def _try(probe: Json, target: Target, seconds: float) -> None:
    if "httpGet" in probe:
        await _http(probe["httpGet"], target)
    elif "tcpSocket" in probe:
        await _tcp(probe["tcpSocket"], target)
    elif "exec" in probe:
        await _command(probe["exec"]["command"], target, seconds)
    else:
        raise ProbeError("devcluster emulates httpGet, tcpSocket and exec probes only")


async def _http(action: Json, target: Target) -> None:
    scheme, host = action.get("scheme", "HTTP").lower(), action.get("host") or target.address
    path = "/" + action.get("path", "/").lstrip("/")
    headers = {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
    # As a kubelet does: a Pod's certificate is its own affair.
    context = ssl._create_unverified_context() if scheme == "https" else False  # noqa: S323, SLF001
    url = f"{scheme}://{host}:{target.port(action['port'])}{path}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, ssl=context) as response:
        if response.status not in _GOOD:
            raise ProbeError(f"HTTP probe failed with statuscode: {response.status}")


async def _tcp(action: Json, target: Target) -> None:
    _, writer = await asyncio.open_connection(action.get("host") or target.address, target.port(action["port"]))
    writer.close()


async def _command(argv: list[str], target: Target, seconds: float) -> None:
    code, output = await target.run(argv, seconds)
    if code != 0:
        raise ProbeError(f"command ended with {code}: {output.strip()[-_SHOWN:]}")
