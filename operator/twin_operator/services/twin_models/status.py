"""The status of a TwinModel in each situation: without a version, with a new one, with one that stays. Pure.

Which situation applies is decided in `plan`.
"""

from collections.abc import Sequence

from twin_operator.api.v1alpha1 import TwinModel, TwinModelSpec, TwinModelStatus
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, TwinModelPhase
from twin_operator.api.v1alpha1.enums import DeletionPolicy
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.reconciling.active_version import active_version, registered_model, serves
from twin_operator.services.reconciling.status import Fact, conditions_of, ready, reconciling, stalled
from twin_operator.services.reconciling.version_tags import RUN
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.twin_models.listing import found_in_training, listed_effects, serving_model
from twin_operator.services.twin_models.upkeep import Upkeep

NOT_GRADED = "No outcome of this version's predictions is known yet: record observed on its Simulations."
NOT_VALIDATED = Fact(ConditionType.FAITHFUL, ConditionStatus.UNKNOWN, Reason.NOT_VALIDATED, NOT_GRADED)
REASONS = frozenset(Reason)
FOUND_IN_TRAINING = (ConditionType.ASSIGNMENT_NOT_RANDOM, ConditionType.DATA_WARNING)
OF_VERSION = (ConditionType.FAITHFUL, *FOUND_IN_TRAINING)


def in_training(model: TwinModel, reason: Reason, message: str, now: float) -> TwinModelStatus:
    """Return the status during a training; a version that is active stays so. `now` in seconds since the epoch."""
    if serves(model):
        return with_version(model, now, phase=TwinModelPhase.TRAINING)
    deleted = _deleted_version(model)
    if deleted is not None:
        where = f"Version {deleted} of {registered_model(model)} was deleted in the registry; it is trained again."
        reason, message = Reason.MODEL_NOT_FOUND, f"{where} {message}"
    return _without_version(model, TwinModelPhase.TRAINING, reconciling(reason, message), now)


def _deleted_version(model: TwinModel) -> str | None:
    """Return the version that was active before a training that makes up for its deletion."""
    return None if model.status.retraining is None else model.status.retraining.deleted_version


def obstructed(model: TwinModel, phase: TwinModelPhase, facts: Sequence[Fact], now: float) -> TwinModelStatus:
    """Return the status while something prevents a training; a version that is active stays so, and is Ready."""
    if not serves(model):
        return _without_version(model, phase, facts, now)
    obstacle = next(fact for fact in facts if fact.type == ConditionType.READY)
    retrainable = Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, obstacle.reason, obstacle.message)
    return with_version(model, now, extra=[retrainable])


def taken(model: TwinModel, refusal: str, now: float) -> TwinModelStatus:
    """Return the status of a model whose registered model belongs to another: its version is shown, not used."""
    return _not_answering(model, stalled(Reason.REGISTERED_MODEL_TAKEN, refusal), now)


def without_pinned_version(model: TwinModel, version: str, now: float) -> TwinModelStatus:
    """Return the status of a model whose pinned version the registry does not have: nothing answers."""
    message = f"{registered_model(model)} has no version {version}; pin another one or remove spec.version."
    return _not_answering(model, stalled(Reason.MODEL_NOT_FOUND, message), now)


def _not_answering(model: TwinModel, facts: Sequence[Fact], now: float) -> TwinModelStatus:
    """Return the status of a model that keeps its version for later: what forbids Deploy stays with the version."""
    status = _head(model).replace(phase=TwinModelPhase.FAILED)
    return _with_conditions(model, status, [*facts, *(_kept(model, *OF_VERSION) if serves(model) else ())], now)


def without_registered_model(model: TwinModel, now: float) -> TwinModelStatus:
    """Return the status of a model whose registered model has the name of another namespace: nothing of it is shown."""
    message = (
        f"{registered_model(model)} begins with another namespace: write {model.namespace}.NAME, or a name without a "
        "dot, in spec.registeredModel."
    )
    head = _head(model).replace(phase=TwinModelPhase.FAILED, registered_model=None)
    status = head.replace(model=None, effects=(), fidelity=None, data=None)
    return _with_conditions(model, status, stalled(Reason.REGISTERED_MODEL_TAKEN, message), now)


def with_new_version(model: TwinModel, trained: TrainedVersion, now: float) -> TwinModelStatus:
    """Return the status when a version becomes active; `now` in seconds since the epoch."""
    status = _head(model).replace(
        phase=_phase(model, degraded=False),
        model=serving_model(trained, now),
        effects=listed_effects(trained),
    )
    former = active_version(model)
    if former is not None and not _same_version(model, trained):
        status = status.replace(fidelity=None, data=None, retraining=_left(status, former, trained))
    facts = [*_serving(model, trained.version), NOT_VALIDATED, *found_in_training(trained), *_not_built(model.spec)]
    return _with_conditions(model, status, facts, now)


def _left(status: TwinModelStatus, former: str, trained: TrainedVersion) -> RetrainingState | None:
    """Return `status.retraining` with the version that can be rolled back to.

    Not one whose number is taken, and not one that was taken back: a second rollback would go forward to it.
    """
    if former == trained.version:
        return status.retraining
    retraining = status.retraining or RetrainingState()
    taken_back = former == retraining.rolled_back_version
    return retraining.replace(previous_version=None if taken_back else former)


def _same_version(model: TwinModel, trained: TrainedVersion) -> bool:
    """Whether a version is the active one: a number of a model that was deleted is given out again."""
    serving = model.status.model
    if serving is None or serving.version != trained.version:
        return False
    return serving.run_id == trained.run_id or None in {serving.run_id, trained.run_id}


def with_version(
    model: TwinModel,
    now: float,
    *,
    phase: TwinModelPhase = TwinModelPhase.READY,
    extra: Sequence[Fact] = (),
    upkeep: Upkeep | None = None,
    conflict: str | None = None,
) -> TwinModelStatus:
    """Return the status of a model whose version stays active.

    Args:
        model: the TwinModel.
        now: seconds since the epoch.
        phase: Training, or Ready where nothing else applies.
        extra: conditions that count more than those of unsupported fields.
        upkeep: what is known of fidelity and retraining; None: what is known stays.
        conflict: the champion in the registry, when that is a version without our tag.
    """
    degraded = upkeep is not None and upkeep.degraded
    status = _head(model).replace(phase=_phase(model, degraded=degraded) if phase is TwinModelPhase.READY else phase)
    if upkeep is not None:
        status = status.replace(fidelity=upkeep.fidelity, retraining=upkeep.retraining, data=upkeep.data)
    facts = [
        *_serving(model, active_version(model)),
        *_fidelity(model, upkeep),
        *_kept(model, *FOUND_IN_TRAINING),
        *_conflict(model, conflict),
        *(extra or _not_built(model.spec)),
    ]
    return _with_conditions(model, status, facts, now)


def _without_version(model: TwinModel, phase: TwinModelPhase, facts: Sequence[Fact], now: float) -> TwinModelStatus:
    return _with_conditions(model, _head(model).replace(phase=phase), facts, now)


def _head(model: TwinModel) -> TwinModelStatus:
    return model.status.replace(
        observed_generation=model.metadata.generation,
        registered_model=registered_model(model),
        trace_id=trace_of(model.metadata).trace_id,
    )


def _with_conditions(model: TwinModel, status: TwinModelStatus, facts: Sequence[Fact], now: float) -> TwinModelStatus:
    """Add one condition of each type: the first of several counts most."""
    first = list({fact.type: fact for fact in reversed(facts)}.values())[::-1]
    return status.replace(conditions=conditions_of(model, first, now))


def _phase(model: TwinModel, *, degraded: bool) -> TwinModelPhase:
    if model.spec.suspend:
        return TwinModelPhase.SUSPENDED
    return TwinModelPhase.DEGRADED if degraded else TwinModelPhase.READY


def _serving(model: TwinModel, version: str | None) -> list[Fact]:
    return ready(Reason.MODEL_SERVING, f"Version {version} of {registered_model(model)} answers Simulations.")


def _fidelity(model: TwinModel, upkeep: Upkeep | None) -> list[Fact]:
    """Return what is known of the active version's fidelity and retraining."""
    if upkeep is not None and upkeep.facts:
        return upkeep.facts
    return _kept(model, ConditionType.FAITHFUL) or [NOT_VALIDATED]


def _conflict(model: TwinModel, champion: str | None) -> list[Fact]:
    if champion is None:
        return []
    message = (
        f"The alias champion of {registered_model(model)} is on version {champion}, which was not trained by this "
        f"TwinModel; version {active_version(model)} continues to answer. Move the alias to a version that has the tag "
        f"{RUN}."
    )
    return [Fact(ConditionType.REGISTRY_CONFLICT, ConditionStatus.TRUE, Reason.FOREIGN_VERSION, message)]


def _kept(model: TwinModel, *types: ConditionType) -> list[Fact]:
    """Return conditions as they are, except for those with a reason that only a newer release knows."""
    found = [(each, model.status.condition(each)) for each in types]
    return [Fact(each, c.status, Reason(c.reason), c.message) for each, c in found if c and c.reason in REASONS]


def _not_built(spec: TwinModelSpec) -> list[Fact]:
    """Return a condition for each field of the spec that is not supported yet."""
    if spec.deletion_policy is not DeletionPolicy.DELETE:
        return []
    message = "spec.deletionPolicy Delete is not supported yet; the registered model is kept."
    return [Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, Reason.NOT_SUPPORTED, message)]
