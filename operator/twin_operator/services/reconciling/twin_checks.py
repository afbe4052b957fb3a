"""What is known against the answers of a version: what its training found, and what its twin's conditions say. Pure."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from twin_operator.api.v1alpha1.twin_model_status import GATES_LIMIT
from twin_operator.domain.effects.answers import Gate, GateType
from twin_operator.services.runs.training_messages import TrainedVersion


@dataclass(frozen=True)
class TwinChecks:
    """What is known against the answers of a version at one moment.

    Attributes:
        gates: what its training found that forbids Deploy; None where the registry does not have the version any more.
        data_warning: the warnings of its training about the data, in sentences.
        not_faithful: the message of the TwinModel's condition Faithful while that is False.
    """

    gates: tuple[Gate, ...] | None
    data_warning: str | None
    not_faithful: str | None


def gates_of(trained: TrainedVersion) -> tuple[Gate, ...]:
    """Return what a training found that forbids Deploy: an entry for each two arms, or one for all where they are many.

    The test of the assignment is one of all arms together.
    """
    if trained.assignment_not_random is None:
        return ()
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for each in trained.contrasts:  # in both directions
        pairs.setdefault(frozenset((each.arm, each.against)), (each.arm, each.against))
    if len(pairs) > GATES_LIMIT:
        return (Gate(GateType.ASSIGNMENT_NOT_RANDOM, trained.assignment_not_random),)
    return tuple(Gate(GateType.ASSIGNMENT_NOT_RANDOM, trained.assignment_not_random, *pair) for pair in pairs.values())


def gates_of_active(model: TwinModel) -> tuple[Gate, ...]:
    """Return the gates of the active version; a status that release 0.1.0 wrote has the condition alone."""
    found = () if model.status.model is None else model.status.model.gates
    if found:
        return tuple(Gate(each.type, each.message, each.arm, each.against) for each in found)
    sentence = sentence_of(model, ConditionType.ASSIGNMENT_NOT_RANDOM, ConditionStatus.TRUE)
    return () if sentence is None else (Gate(GateType.ASSIGNMENT_NOT_RANDOM, sentence),)


def sentence_of(model: TwinModel, kind: ConditionType, status: ConditionStatus) -> str | None:
    """Return the message of a condition that has this status."""
    condition = model.status.condition(kind)
    return condition.message if condition is not None and condition.status is status else None
