"""Addresses of Pods on the loopback interface: no two Pods of a machine share one, whatever cluster they are in."""

from __future__ import annotations

import random
import socket

_BLOCKS = 256  # 127.1.0.0/16 in blocks of 256 addresses
_GUARD = 255  # the last address of a block, which no Pod gets
# Bound, never listened on: the kernel keeps others off and lets go when the process dies.  The port
# is above the range of ephemeral ports.
_PORT = 61999


class NoAddressError(Exception):
    """All addresses are taken by the clusters of this machine."""


class Addresses:
    """The addresses of one cluster's Pods, out of blocks that it alone holds."""

    def __init__(self) -> None:
        self._guards: list[socket.socket] = []
        self._free: list[str] = []
        self._used: set[str] = set()

    def take(self, wanted: str = "") -> str:
        """Give an address: the one that the Pod had before if it is still ours to give.

        Raises:
            NoAddressError: there is none left.
        """
        if wanted and wanted not in self._used | set(self._free):
            self._hold(wanted.rpartition(".")[0])
        if not self._free:
            self._reserve()
        address = wanted if wanted in self._free else self._free[0]
        self._free.remove(address)
        self._used.add(address)
        return address

    def give_back(self, address: str) -> None:
        """Make an address free again: the last to be given out, for connections to it may linger."""
        if address in self._used:
            self._used.remove(address)
            self._free.append(address)

    def _reserve(self) -> None:
        # Anywhere, so that clusters which start together seldom knock at the same door.
        for block in random.sample(range(_BLOCKS), _BLOCKS):
            if self._hold(f"127.1.{block}"):
                return
        raise NoAddressError("the clusters of this machine hold all of 127.1.0.0/16")

    def _hold(self, block: str) -> bool:
        guard = _guard(f"{block}.{_GUARD}")
        if guard is None:
            return False
        self._guards.append(guard)
        self._free += [f"{block}.{host}" for host in range(1, _GUARD)]
        return True

    def close(self) -> None:
        """Let go of the blocks."""
        for guard in self._guards:
            guard.close()


def _guard(address: str) -> socket.socket | None:
    guard = socket.socket()
    try:
        guard.bind((address, _PORT))
    except OSError:
        guard.close()
        return None
    return guard
