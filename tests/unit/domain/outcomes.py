"""Recorded outcomes, for the tests of what is made of them."""

from typing import Any

from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, RecordedOutcome


def outcome(experiment: str = "autumn", observed: float = 1.2, **changes: Any) -> RecordedOutcome:
    """An outcome of the letter for everybody, a little better than predicted; `changes` replace its fields."""
    values: dict[str, Any] = {
        "simulation": f"uid-{experiment}",
        "name": experiment,
        "registered_model": "n.m",
        "model_version": "1",
        "experiment": experiment,
        "arm": "letter",
        "against": "none",
        "where": (),
        "population_share": 1.0,
        "issued": Issued(1.0, 0.3, 0.1, 0.25, 500.0, 2.0, 2.0),
        "observed": observed,
        "graded": Graded(0.2, 0.2, 0.0, 0.5, covered=True, grade=Grade.EXCELLENT),
        "hindsight": False,
        "predicted_at": 1.0,
        "time": 2.0,
        "recorded": 3.0,
    }
    return RecordedOutcome(**{**values, **changes})
