"""What an image name stands for on this machine: a virtual environment with the project, or the host's programs."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from devcluster.processes import PROJECT

_OURS = "twin-operator"
IMAGES = "DEVCLUSTER_IMAGES"  # variable of the supervisor: a JSON object, virtual environments by name of image


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
    """Map an image name: a repository that ends with `twin-operator` is this project, all else is the host.

    The project is in the virtual environment that the variable DEVCLUSTER_IMAGES has for the whole name, else in that
    of this process.
    """
    path = os.environ.get("PATH", os.defpath)
    environment = {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - a home that every host has
    if not repository(name).endswith(_OURS):
        return Image((), environment)
    prefix: str = json.loads(os.environ.get(IMAGES, "{}")).get(name, sys.prefix)
    ours = {"PATH": f"{Path(prefix) / 'bin'}{os.pathsep}{path}", "VIRTUAL_ENV": prefix, "PYTHONUNBUFFERED": "1"}
    return Image((_OURS,), environment | ours, (prefix, sys.base_prefix, str(PROJECT)))
