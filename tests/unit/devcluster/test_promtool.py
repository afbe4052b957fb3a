"""promtool is found or fetched, or the message says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import promtool
from devcluster.build import BuildError


def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all there is, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_one_on_path_is_taken(path: Path) -> None:
    wanted = program(path, "promtool", "exit 0")
    assert promtool.find() == wanted


@pytest.mark.usefixtures("path")
def test_one_in_the_cache_is_not_fetched_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "twin-operator" / "devcluster"
    cache.mkdir(parents=True)
    wanted = program(cache, "promtool", "exit 0")
    assert promtool.find() == wanted


@pytest.mark.parametrize("apt", [None, "echo 'E: no network' >&2; exit 100"], ids=["no apt", "no network"])
def test_where_it_cannot_be_had_it_is_said_what_to_do(path: Path, apt: str | None) -> None:
    if apt is not None:
        program(path, "apt-get", apt)
    with pytest.raises(BuildError, match="Install Debian's package prometheus, or put promtool on PATH"):
        promtool.find(lambda _word: None)
