"""Which past units a question is about: clauses on features, turned into rows of the bank."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from twin_operator.domain.errors import ArmsNotCompared, EmptyPopulation, UnknownFeature, UnknownLevel
from twin_operator.domain.table.arrays import Floats, Identifiers, Mask
from twin_operator.domain.table.known_levels import known_levels
from twin_operator.domain.twin import Bank


class Operator(StrEnum):
    """How a clause compares; the first two take several values and any feature, the others one number."""

    IN = "In"
    NOT_IN = "NotIn"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"
    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"


_COMPARISONS = {
    Operator.LESS_THAN: np.less,
    Operator.LESS_THAN_OR_EQUAL: np.less_equal,
    Operator.GREATER_THAN: np.greater,
    Operator.GREATER_THAN_OR_EQUAL: np.greater_equal,
}
_MOST_LEVELS_SHOWN = 20


@dataclass(frozen=True)
class Clause:
    """A condition on one feature, in the words of the API. A missing value satisfies NotIn only."""

    feature: str
    operator: str
    values: tuple[str, ...]


def matching_rows(bank: Bank, where: tuple[Clause, ...], arm: int, against: int) -> Identifiers:
    """Indices of the rows that satisfy every clause, count in the weight, and could have had either arm.

    Raises `ArmsNotCompared`, `UnknownFeature`, `UnknownLevel` or `EmptyPopulation`.
    """
    comparable = bank.comparable(arm, against) & (bank.weight > 0)
    if not comparable.any():
        raise ArmsNotCompared(
            f'No past experiment assigned units to both "{bank.arms[arm]}" and "{bank.arms[against]}", '
            "so nothing in the data compares them."
        )
    for clause in where:
        comparable = comparable & _satisfying(bank, clause)
    if not comparable.any():
        raise EmptyPopulation(f"No past unit satisfies {_spoken(where)}: widen `where`.")
    return np.flatnonzero(comparable)


def _satisfying(bank: Bank, clause: Clause) -> Mask:
    """(n,) rows that satisfy one clause."""
    if clause.feature not in bank.features:
        raise UnknownFeature(f'The model has no feature "{clause.feature}"; it has {_quoted(sorted(bank.features))}.')
    operator = _operator(clause)
    _require_values(bank, clause)
    if clause.feature in bank.levels:
        return _labelled(bank, clause, operator)
    return _measured(np.asarray(bank.features[clause.feature], dtype=np.float64), clause, operator)


def _require_values(bank: Bank, clause: Clause) -> None:
    """Refuse a clause on a feature that is empty everywhere: even NotIn would compare nothing."""
    values = bank.features[clause.feature]
    if np.all(values < 0 if clause.feature in bank.levels else np.isnan(values)):
        raise EmptyPopulation(
            f'Feature "{clause.feature}" is empty for every past unit, so none can be chosen by it: '
            "leave it out of `where`."
        )


def _operator(clause: Clause) -> Operator:
    if clause.operator not in list(Operator):
        raise UnknownLevel(f'There is no operator "{clause.operator}"; use {_quoted(list(Operator))}.')
    return Operator(clause.operator)


def _labelled(bank: Bank, clause: Clause, operator: Operator) -> Mask:
    if operator in _COMPARISONS:
        raise UnknownLevel(f'Feature "{clause.feature}" is Categorical: use In or NotIn instead of {operator}.')
    levels = bank.levels[clause.feature]
    wanted = {value.strip() for value in clause.values}
    unknown = sorted(wanted - set(levels))
    if unknown:
        shown = known_levels(levels, bank.rows)
        raise UnknownLevel(f'Feature "{clause.feature}" has no level {_quoted(unknown)}; it has {shown}.')
    listed = np.array([*(level in wanted for level in levels), False])
    satisfied = listed if operator is Operator.IN else ~listed
    return np.asarray(satisfied[np.asarray(bank.features[clause.feature], dtype=np.int32)])


def _measured(values: Floats, clause: Clause, operator: Operator) -> Mask:
    numbers = [_number(clause, value) for value in clause.values]
    if operator is Operator.IN:
        return np.isin(values, numbers)
    if operator is Operator.NOT_IN:
        return np.isin(values, numbers, invert=True)
    if len(numbers) != 1:
        raise UnknownLevel(f'{operator} on feature "{clause.feature}" takes one value, not {len(numbers)}.')
    return np.asarray(_COMPARISONS[operator](values, numbers[0]))


def _number(clause: Clause, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise UnknownLevel(f'Feature "{clause.feature}" is Numeric: "{value}" is not a number.')
    return number


def _spoken(where: tuple[Clause, ...]) -> str:
    return " and ".join(f"{clause.feature} {clause.operator} {', '.join(clause.values)}" for clause in where)


def _quoted(names: list[str] | list[Operator] | tuple[str, ...]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_MOST_LEVELS_SHOWN])
    more = len(names) - _MOST_LEVELS_SHOWN
    return shown if more <= 0 else f"{shown} and {more} more"
