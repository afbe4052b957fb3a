"""Rules about the package's own sources that no linter checks: which modules only decide, and sizes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from typing import Final

PACKAGE: Final = Path(__file__).parents[2] / "operator" / "twin_operator"
SERVICES: Final = PACKAGE / "services"

DECIDING: Final = frozenset(
    {
        "installation",
        "outcomes/health",
        "pools/loads",
        "pools/manifest",
        "pools/pool_index",
        "pools/queue_owners",
        "pools/status",
        "pools/template_constraints",
        "pools/template_rules",
        "pools/workers",
        "reconciling/active_version",
        "reconciling/errors",
        "reconciling/ownership",
        "reconciling/status",
        "reconciling/twin_checks",
        "reconciling/version_tags",
        "reconciling/window",
        "retraining/jobs",
        "retraining/plan",
        "retraining/schedule",
        "retraining/state",
        "retraining/tasks",
        "retraining/triggers",
        "retraining/work",
        "runs/credentials",
        "runs/message",
        "runs/run",
        "runs/simulation_messages",
        "runs/times",
        "runs/training_messages",
        "runs/twin_spec",
        "simulations/decide",
        "simulations/admission",
        "simulations/recommendation",
        "simulations/status",
        "twin_models/listing",
        "twin_models/plan",
        "twin_models/refusals",
        "twin_models/status",
        "twin_models/upkeep",
    }
)
"""Modules of services that plan, decide or translate: from their arguments to a value, without I/O."""
ACTING: Final = frozenset(
    {
        "archive/archiving",
        "archive/ports",
        "generated_secrets",
        "operator",
        "outcomes/backfill",
        "outcomes/grading",
        "outcomes/ledger",
        "pools/ports",
        "pools/reconciler",
        "pools/scaler",
        "reconciling/metrics",
        "reconciling/orphans",
        "reconciling/ports",
        "reconciling/queue",
        "reconciling/refusals",
        "reconciling/task_publication",
        "reconciling/turns",
        "registered_models",
        "retraining/controller",
        "runs/spans",
        "runs/tracing",
        "simulations/answers",
        "simulations/controller",
        "simulations/model_changes",
        "simulations/publication",
        "simulations/reception",
        "simulations/expiry",
        "simulations/results",
        "simulations/resolution",
        "task_events",
        "twin_models/controller",
        "twin_models/data_checks",
        "twin_models/registry_upkeep",
        "twin_models/rollback",
        "twin_models/upkeep_controller",
        "versions",
        "work/compare_versions",
        "work/inspect_data",
        "work/simulate",
        "work/train",
    }
)
"""Modules of services that act through ports, or define them."""

SERVICES_LIMIT: Final = 15  # packages and top-level modules of services
MEDIAN_LIMIT, PERCENTILE_90_LIMIT = 5, 15  # lines of a function's body
FILE_LIMIT: Final = 300  # lines
FILES_PER_1000_LINES_LIMIT: Final = 8.3


@cache
def modules(folder: Path) -> dict[str, ast.Module]:
    """Return the modules with more than a docstring, by their path without suffix."""
    trees = {
        file.relative_to(folder).with_suffix("").as_posix(): ast.parse(file.read_text())
        for file in sorted(folder.rglob("*.py"))
    }
    return {name: tree for name, tree in trees.items() if len(tree.body) > 1}


def names(expression: ast.expr | None) -> set[str]:
    """Return the names in an annotation, those within a quoted one too."""
    nodes = [] if expression is None else list(ast.walk(expression))
    quoted = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {
        *(node.id for node in nodes if isinstance(node, ast.Name)),
        *(node.attr for node in nodes if isinstance(node, ast.Attribute)),
        *(name for text in quoted for name in names(ast.parse(text, mode="eval").body)),
    }


@cache
def ports() -> frozenset[str]:
    """Return the names of the Protocol classes of services."""
    nodes = [node for tree in modules(SERVICES).values() for node in ast.walk(tree)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    return frozenset(each.name for each in classes if any("Protocol" in names(base) for base in each.bases))


def actions(tree: ast.Module) -> Iterator[str]:
    """Yield what makes a module one that acts: async functions, ports that it takes, ports that it defines."""
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef():
                yield f"line {node.lineno}: async {node.name}"
            case ast.ClassDef() if node.name in ports():
                yield f"line {node.lineno}: defines {node.name}"
            case ast.arg() | ast.AnnAssign() if names(node.annotation) & ports():
                yield f"line {node.lineno}: takes {ast.unparse(node)}"


def acting() -> dict[str, list[str]]:
    """Return what makes each module of services that acts one that acts."""
    found = {name: list(actions(tree)) for name, tree in modules(SERVICES).items()}
    return {name: reasons for name, reasons in found.items() if reasons}


def body_lines(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of each function's body, without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            if body and not is_ellipsis(body[0]):
                yield (body[-1].end_lineno or 0) - body[0].lineno + 1


def is_ellipsis(statement: ast.stmt) -> bool:
    """Whether a statement is the `...` of a method without implementation."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_every_module_of_services_is_one_that_decides_or_one_that_acts() -> None:
    assert modules(SERVICES).keys() == DECIDING | ACTING
    assert set() == DECIDING & ACTING


def test_modules_that_decide_are_not_async_and_take_no_port() -> None:
    assert {name: reasons for name, reasons in acting().items() if name in DECIDING} == {}


def test_modules_that_only_decide_are_not_among_those_that_act() -> None:
    assert ACTING - acting().keys() == set()


def test_services_is_few_packages_and_modules() -> None:
    assert len({name.partition("/")[0] for name in modules(SERVICES)}) <= SERVICES_LIMIT


def test_functions_are_short() -> None:
    lines = [count for tree in modules(PACKAGE).values() for count in body_lines(tree)]
    assert median(lines) <= MEDIAN_LIMIT
    assert quantiles(lines, n=10)[-1] <= PERCENTILE_90_LIMIT


def test_files_are_short() -> None:
    lengths = {
        file.relative_to(PACKAGE).as_posix(): len(file.read_text().splitlines()) for file in PACKAGE.rglob("*.py")
    }
    assert {file: length for file, length in lengths.items() if length > FILE_LIMIT} == {}


def test_there_are_few_files_for_their_lines() -> None:
    texts = [file.read_text() for file in PACKAGE.rglob("*.py")]
    assert 1000 * len(texts) / sum(len(text.splitlines()) for text in texts) <= FILES_PER_1000_LINES_LIMIT
