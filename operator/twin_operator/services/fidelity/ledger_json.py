"""Recorded outcomes as they travel in messages."""

from dataclasses import asdict

from twin_operator.domain.ledger import Grade, Graded, Issued, RecordedOutcome
from twin_operator.domain.population import Clause
from twin_operator.services.tasks import JSON


def outcome_to_json(outcome: RecordedOutcome) -> JSON:
    """Return a recorded outcome as plain JSON values, under the domain's names."""
    return {**asdict(outcome), "where": [{**asdict(clause), "values": list(clause.values)} for clause in outcome.where]}


def outcome_from_json(value: JSON) -> RecordedOutcome:
    """Read what `outcome_to_json` wrote."""
    parts = {
        "where": tuple(Clause(c["feature"], c["operator"], tuple(c["values"])) for c in value["where"]),
        "issued": Issued(**value["issued"]),
        "graded": Graded(**{**value["graded"], "grade": Grade(value["graded"]["grade"])}),
    }
    return RecordedOutcome(**{**value, **parts})
