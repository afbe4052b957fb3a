"""What the domain refuses, as classes named after the reasons of the API.

Each carries one sentence that a user can act on. Nothing here knows what a condition is.
"""

# ruff: noqa: N818 - a class is named after its reason, which users see in conditions


class DomainError(Exception):
    """A question or a table that has no honest answer; `str()` is the sentence for the user."""

    reason: str = "InternalError"


class DataInvalid(DomainError):
    """The table of past experiments cannot be learned from."""

    reason = "DataInvalid"


class NoOverlap(DomainError):
    """Observational data in which some kinds of units never had a chance of one of the arms."""

    reason = "NoOverlap"


class ArmsNotCompared(DomainError):
    """No experiment assigned units to both arms."""

    reason = "ArmsNotCompared"


class UnknownArm(DomainError):
    """An arm that the model has never seen."""

    reason = "UnknownArm"


class UnknownFeature(DomainError):
    """A feature that the model does not have."""

    reason = "UnknownFeature"


class UnknownLevel(DomainError):
    """A value or an operator that the feature cannot be compared with."""

    reason = "UnknownLevel"


class EmptyPopulation(DomainError):
    """A population that no past unit belongs to."""

    reason = "EmptyPopulation"


class OutsideSupport(DomainError):
    """A population in which the past experiments say nothing about one of the arms."""

    reason = "OutsideSupport"
