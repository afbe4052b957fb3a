"""The statuses of a TwinModel whose whole status the API server refuses, the largest first. Pure."""

from collections.abc import Iterator
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import TwinModelPhase
from twin_operator.api.v1alpha1.twin_model_status import ModelGate, ServingModel
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.reconciling.refusals import refusal_message, stalled_by

GATE_WITHOUT_DETAILS: Final = "The training found a reason against Deploy; the version in the registry has the details."


def smaller_statuses(seen: TwinModel, wanted: TwinModel, refused: Refused, now: float) -> Iterator[TwinModel]:
    """Yield the statuses to write instead: with a version that becomes active as long as that fits, then without.

    A version that was registered is not lost: once a status names it, it answers Simulations.

    Args:
        seen: the TwinModel with the status that it has.
        wanted: with the status that was refused.
        refused: why.
        now: seconds since the epoch.
    """
    version = wanted.status.model
    if version is not None and _is_new(seen, version):
        small = _without_details(version, refused)
        status = wanted.status.replace(model=small, effects=(), fidelity=None, data=None)
        yield _failed(stalled_by(wanted.replace(status=status), refused, now))
        head = seen.status.replace(registered_model=wanted.status.registered_model, model=small, effects=())
        yield _failed(stalled_by(seen.replace(status=head), refused, now))
    yield _failed(stalled_by(seen, refused, now))


def _is_new(seen: TwinModel, version: ServingModel) -> bool:
    active = seen.status.model
    return active is None or (active.version, active.run_id) != (version.version, version.run_id)


def _without_details(version: ServingModel, refused: Refused) -> ServingModel:
    """Return what identifies a version, and that something forbids Deploy where it does."""
    types = dict.fromkeys(gate.type for gate in version.gates)
    return ServingModel(
        version=version.version,
        run_id=version.run_id,
        spec_digest=version.spec_digest,
        data_digest=version.data_digest,
        trained_time=version.trained_time,
        gates=tuple(ModelGate(type=each, message=GATE_WITHOUT_DETAILS) for each in types),
        omitted=refusal_message(refused),
    )


def _failed(model: TwinModel) -> TwinModel:
    return model.replace(status=model.status.replace(phase=TwinModelPhase.FAILED))
