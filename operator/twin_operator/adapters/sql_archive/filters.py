"""Which rows of the archive are wanted. Values only: a command makes them of its options before it knows a database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from twin_operator.domain.fidelity.ledger import Grade


class Kind(StrEnum):
    """What is listed."""

    OUTCOMES = "outcomes"
    SIMULATIONS = "simulations"
    RETRAININGS = "retrainings"


@dataclass(frozen=True)
class Filters:
    """Which rows are wanted; None and empty: all of them.

    Attributes:
        model: name of a TwinModel, or of a registered model.
        version: of the model; of a retraining, that of its candidate.
        since, until: the first moment that counts, and the first that does not: when an outcome became known, when a
            Simulation or a retraining ended.
        limit: most rows.
    """

    kind: Kind = Kind.OUTCOMES
    namespace: str | None = None
    model: str | None = None
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    grades: tuple[Grade, ...] = ()
    experiment: str | None = None
    limit: int | None = None
