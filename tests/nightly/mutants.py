"""Small changes of Python code, one at a time: what a mutant is, all those of a module, and a draw of some.

Left alone: docstrings, annotations, decorators, log lines, and text for people (constants with a space, f-strings): no
behaviour depends on them. Of text only single words are changed: keys, reasons, names of conditions.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Place = ast.expr | ast.stmt
Change = tuple[str, Place, ast.AST]
"""An operator's name, what is replaced, and by what."""

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """One change at one place.

    Attributes:
        module: path of the file, relative to the repository.
        operator: what kind of change.
        start, end: lines and columns (bytes) of what is replaced; lines count from 1.
        statement: first line of the statement that it belongs to.
        before, after: code.
    """

    module: str
    operator: str
    start: tuple[int, int]
    end: tuple[int, int]
    statement: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """What distinguishes it from every other mutant of the same code."""
        (line, column), (last, end) = self.start, self.end
        return f"{self.module}:{line}:{column}-{last}:{end} {self.operator}"

    def apply(self, source: str) -> str:
        """Return the module's source with this change."""
        lines = source.encode().splitlines(keepends=True)
        (first, begin), (last, finish) = self.start, self.end
        before, after = b"".join(lines[: first - 1]), b"".join(lines[last:])
        middle = lines[first - 1][:begin] + self.after.encode() + lines[last - 1][finish:]
        return (before + middle + after).decode()


def draw(sources: Mapping[str, str], count: int, seed: int) -> list[Mutant]:
    """Return some mutants of these sources (by path), drawn without replacement; the same for the same seed."""
    every = [mutant for module in sorted(sources) for mutant in mutants_of(module, sources[module])]
    return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - nothing secret


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of their places."""
    finder = _Finder(module)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.operator))


class _Finder(ast.NodeVisitor):
    def __init__(self, module: str) -> None:
        self.module = module
        self.found: list[Mutant] = []
        self._depth = 0  # of functions and classes
        self._statement = 0  # the line on which the present one begins

    def visit(self, node: ast.AST) -> None:
        if _is_left_alone(node):
            return
        if isinstance(node, ast.stmt):
            self._statement = node.lineno
        if self._depth:
            self.found += [self._mutant(*change) for change in _changes(node)]
        scope = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        self._depth += scope
        for child in _children(node):
            self.visit(child)
        self._depth -= scope

    def _mutant(self, operator: str, place: Place, changed: ast.AST) -> Mutant:
        code = ast.unparse(ast.fix_missing_locations(changed))
        return Mutant(
            module=self.module,
            operator=operator,
            start=(place.lineno, place.col_offset),
            end=(place.end_lineno or place.lineno, place.end_col_offset or 0),
            statement=self._statement,
            before=ast.unparse(place),
            after=f"({code})" if isinstance(place, ast.expr) else code,
        )


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that behaviour depends on."""
    skipped = {"annotation", "returns", "decorator_list", "type_params", "bases", "keywords"}
    for name, value in ast.iter_fields(node):
        if name in skipped and not isinstance(node, ast.Call):
            continue
        values = value if isinstance(value, list) else [value]
        yield from (each for each in values if isinstance(each, ast.AST))


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger")))):
            return True
    return False


def _changes(node: ast.AST) -> Iterator[Change]:
    for change in (_of_expression, _of_constant, _of_condition, _of_statement):
        yield from change(node)


def _of_expression(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            yield "comparison", node, _with(node, ops=[COMPARISONS[type(operator)]()])
        case ast.BoolOp(op=ast.And()):
            yield "boolean", node, _with(node, op=ast.Or())
        case ast.BoolOp():
            yield "boolean", node, _with(node, op=ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not", node, operand
        case ast.BinOp(left=left, op=operator, right=right) if not (_is_text(left) or _is_text(right)):
            if type(operator) in ARITHMETIC:
                yield "arithmetic", node, _with(node, op=ARITHMETIC[type(operator)]())


def _of_constant(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool(value)):
            yield "constant", node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", node, ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value and " " not in value:
            yield "constant", node, ast.Constant(f"XX{value}")


def _of_condition(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.If(test=test) | ast.While(test=test):
            yield "condition", test, _negated(test)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "exchanged branches", node, ast.IfExp(test, orelse, body)
        case ast.comprehension(ifs=conditions):
            yield from (("condition", each, _negated(each)) for each in conditions)


def _of_statement(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Return(value=ast.Constant(value=None)) | ast.Return(value=None):
            return
        case ast.Return():
            yield "return value", node, ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete() | ast.AugAssign():
            yield "removed statement", node, ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "removed statement", node, ast.Pass()


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _with(node: ast.expr, **fields: object) -> ast.expr:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
