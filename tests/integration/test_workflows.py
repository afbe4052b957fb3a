"""The workflows of CI, checked by actionlint, and what they run of the Makefile."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster import actionlint

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TIERS: Final = {"lint", "unit", "test", "test-slow", "e2e", "nightly"}


def complaints(*files: Path) -> str:
    command = [str(actionlint.find()), "-no-color", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout


def test_actionlint_accepts_every_workflow() -> None:
    assert len(WORKFLOWS) == 2
    assert complaints(*WORKFLOWS) == ""


def test_actionlint_refuses_a_workflow_that_uses_a_matrix_value_that_is_not_there(tmp_path: Path) -> None:
    copy = tmp_path / "ci.yml"
    copy.write_text((ROOT / ".github/workflows/ci.yml").read_text().replace("matrix.python }", "matrix.pyhton }"))
    assert 'property "pyhton" is not defined' in complaints(copy)


def test_the_workflows_run_every_tier_and_the_interpreters_that_the_package_names() -> None:
    jobs: dict[str, Any] = {}
    for file in WORKFLOWS:
        jobs |= yaml.safe_load(file.read_text())["jobs"]
    commands = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    named = set(re.findall(r"[a-z0-9-]+", commands)) | set(jobs["cluster"]["strategy"]["matrix"]["target"])
    classifiers = re.findall(r'"Programming Language :: Python :: (\S+)"', (ROOT / "pyproject.toml").read_text())
    assert named >= TIERS
    assert jobs["unit"]["strategy"]["matrix"]["python"] == classifiers


def test_every_command_of_the_workflows_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(file.read_text() for file in WORKFLOWS)
    called = set(re.findall(r"run: make (?:PYTHON=python )?([a-z0-9-]+)", text))
    assert called
    assert called <= targets


def test_code_owners_cover_every_file_and_name_a_team() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"
    assert all(re.fullmatch(r"@[a-z-]+/[a-z-]+", owner) for _, *owners in rules for owner in owners)
