"""What an image name stands for on this machine: the project's virtual environment, or the host's programs."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from devcluster.processes import PROJECT

_OURS = "twin-operator"


@dataclass(frozen=True)
class Image:
    """Programs, and the environment that an image would bring."""

    entrypoint: tuple[str, ...]
    environment: dict[str, str]
    exposed: tuple[str, ...] = ()  # folders that no volume may hide, for the programs live in them


def repository(name: str) -> str:
    """Give an image's repository, without tag and digest."""
    return re.sub(r"(:[^:/@]+)?(@.+)?$", "", name)


def find(name: str) -> Image:
    """Map an image name: a repository that ends with `twin-operator` is this project, all else is the host."""
    path = os.environ.get("PATH", os.defpath)
    environment = {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - a home that every host has
    if not repository(name).endswith(_OURS):
        return Image((), environment)
    ours = {"PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{path}", "VIRTUAL_ENV": sys.prefix, "PYTHONUNBUFFERED": "1"}
    return Image((_OURS,), environment | ours, (sys.prefix, sys.base_prefix, str(PROJECT)))
