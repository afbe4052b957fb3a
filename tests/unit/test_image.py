"""What the Dockerfile and the Makefile install is named by hash, and base images can be named by digest."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = ROOT / "Dockerfile"
INSTALLS: Final = re.compile(r"\bpip (?:install|sync)\b|\buv build\b")


def commands(file: Path) -> list[str]:
    """Return the commands of a file, one for each program that is started, with continued lines joined."""
    text = file.read_text().replace("\\\n", " ")
    return [part for line in text.splitlines() for part in line.split("&&") if not line.startswith("#")]


@pytest.mark.parametrize("file", [DOCKERFILE, ROOT / "Makefile"], ids=lambda file: str(file.name))
def test_whatever_is_installed_is_named_by_hash(file: Path) -> None:
    found = [command for command in commands(file) if INSTALLS.search(command)]
    assert found
    for command in found:
        assert "--require-hashes" in command or "--no-deps" in command  # the latter installs the project itself


def test_every_base_image_is_an_argument() -> None:
    bases = [line.split()[1] for line in commands(DOCKERFILE) if line.startswith("FROM ")]
    assert set(bases) == {"${PYTHON_IMAGE}"}


def test_the_image_says_what_it_was_built_on() -> None:
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert "\nARG PYTHON_IMAGE\n" in last
    assert 'org.opencontainers.image.base.name="${PYTHON_IMAGE}"' in last


def test_the_files_that_the_dockerfile_copies_are_in_its_context() -> None:
    rules = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    copied = [word for line in commands(DOCKERFILE) if line.startswith("COPY req") for word in line.split()[1:-1]]
    assert copied
    assert [name for name in copied if not any(fnmatch(name, rule) for rule in rules)] == []


def test_the_lock_file_of_uv_has_the_version_that_the_project_names() -> None:
    (named,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["uv"]
    locked = [line.split()[0] for line in (ROOT / "requirements-uv.lock").read_text().splitlines() if "==" in line]
    assert locked == [named]
