"""The operator's process is lean: learning, banks and the `mlflow` package belong to workers."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import twin_operator.cli.main

LOADED = """
import sys
import twin_operator.cli.main
{imports}
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
WORKERS_ONLY = {"mlflow", "pandas", "pyarrow", "sklearn"}


def imports_of(command: str) -> str:
    """Return the imports within the function of a command."""
    tree = ast.parse(Path(twin_operator.cli.main.__file__).read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == command)
    return "\n".join(ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.ImportFrom))


def imported_by(command: str) -> set[str]:
    program = LOADED.format(imports=imports_of(command))
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_what_runs_the_operator_imports_nothing_that_only_workers_need() -> None:
    found = imported_by("run")
    assert {"kopf", "numpy", "twin_operator"} <= found
    assert found & WORKERS_ONLY == set()


def test_what_workers_need_is_installed_under_these_names() -> None:
    assert [name for name in sorted(WORKERS_ONLY) if find_spec(name) is None] == []
