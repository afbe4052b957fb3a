"""Runs a command inside a running container, as exec probes do.

On standard input comes the order as JSON: `pid`, `argv`, `environment`, `directory`, `agent`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from devcluster.sandbox import linux, namespaces
from devcluster.sandbox.container import run_in_child


def main() -> None:
    """No arguments."""
    order = json.loads(sys.stdin.read())
    namespaces.enter(order["pid"])
    linux.die_with_parent()
    if os.getppid() == order["agent"]:
        sys.exit(run_in_child(lambda: _start(order), lambda _: None))


def _start(order: dict[str, Any]) -> None:
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["directory"])
        linux.become(order["argv"], order["environment"])
    except OSError as error:
        os.write(2, f"{error}\n".encode())
