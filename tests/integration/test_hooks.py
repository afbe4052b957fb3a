"""The hooks of pre-commit: what git refuses before a commit, with the programs of the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIGURATION = ".pre-commit-config.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with the hooks, the settings of ruff, and one Python file that is badly formatted."""
    repository = tmp_path / "repository"
    repository.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    for name in (CONFIGURATION, "pyproject.toml"):
        shutil.copy(ROOT / name, repository / name)
    (repository / ".venv").mkdir()
    (repository / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (repository / "bad.py").write_text('"""A module."""\nNAME = (  "x"  )\n')
    subprocess.run(["git", "add", "bad.py"], cwd=repository, check=True)
    return repository


def run_hooks(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pre-commit")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(repository.parent / "cache")}
    return subprocess.run(
        [str(program), "run", *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_badly_formatted_file_is_refused_and_formatted(repository: Path) -> None:
    first = run_hooks(repository, "--files", "bad.py")
    assert "ruff format" in first.stdout
    assert first.returncode == 1, first.stdout
    assert (repository / "bad.py").read_text() == '"""A module."""\n\nNAME = "x"\n'
    assert run_hooks(repository, "--files", "bad.py").returncode == 0


def test_style_that_ruff_cannot_correct_is_refused(repository: Path) -> None:
    (repository / "bad.py").write_text('"""A module."""\n\nprint("x")\n')
    assert "T201" in run_hooks(repository, "style", "--files", "bad.py").stdout


def test_every_hook_is_a_program_of_the_environment_and_a_step_of_make_lint() -> None:
    (local,) = yaml.safe_load((ROOT / CONFIGURATION).read_text())["repos"]
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    for hook in local["hooks"]:
        program, *arguments = hook["entry"].split()
        assert (local["repo"], hook["language"], program.startswith(".venv/bin/")) == ("local", "system", True)
        step = " ".join([program.rpartition("/")[2], *arguments]).split(" --f")[0].removesuffix(" --no-cache")
        assert f"$(BIN)/{step}" in lint, step
