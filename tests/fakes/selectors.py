"""Field and label selectors: terms with `=`, `==` or `!=`, joined by commas; all must hold."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.fakes.json_objects import at
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.services.runs.run import JSON


@dataclass(frozen=True)
class Term:
    """One comparison of a selector."""

    key: str
    value: str
    equal: bool


def matches_fields(selector: str, selectable: Collection[str]) -> Callable[[JSON], bool]:
    """Return a predicate of objects for a field selector.

    Raises:
        ApiError: 400, for a field that the kind does not declare as selectable.
    """
    terms = _terms(selector)
    for term in terms:
        if term.key not in {*selectable, "metadata.name", "metadata.namespace"}:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"field label not supported: {term.key}")
    return lambda body: all((_text(at(body, term.key.split("."))) == term.value) == term.equal for term in terms)


def matches_labels(selector: str) -> Callable[[JSON], bool]:
    """Return a predicate of objects for a label selector."""
    terms = _terms(selector)

    def matches(body: JSON) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all((labels.get(term.key) == term.value) == term.equal for term in terms)

    return matches


def _terms(selector: str) -> list[Term]:
    return [_term(text) for text in selector.split(",") if text]


def _term(text: str) -> Term:
    key, sign, value = text.partition("!=")
    if sign:
        return Term(key, value, equal=False)
    key, _, value = text.partition("=")
    return Term(key, value.removeprefix("="), equal=True)


def _text(value: Any) -> str:
    """Return a field as selectors compare it; one that is absent is the empty string."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
