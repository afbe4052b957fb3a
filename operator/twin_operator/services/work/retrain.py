"""Train a candidate: like a first training, but by a plan, and without letting it serve. Runs in a worker."""

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.messages import RetrainingPayload
from twin_operator.services.runs.run import Outcome
from twin_operator.services.runs.twin_spec import source_of
from twin_operator.services.work.train import (
    Clock,
    DataSource,
    ModelRegistry,
    Progress,
    learn,
    made_before,
    refusals_as_outcomes,
    registered,
    summarise,
    version_tags,
)


def retrain_twin(
    payload: RetrainingPayload, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock
) -> Outcome:
    """Carry out a retraining task; at most one version comes of a run, however often it is delivered.

    Args:
        payload: of the task.
        source: where the data is read from.
        registry: where the version goes.
        progress: called with the share done (0 to 1) and the name of the step.
        clock: seconds since the epoch, for `trainedTime`.

    Returns:
        the candidate as a `TrainedVersion`, or why there is none.

    Raises:
        TryAgain: the data cannot be read now; the next attempt may find its store reachable.
    """
    outcome = refusals_as_outcomes(lambda: _retrain(payload, source, registry, progress, clock))
    if outcome.reason is Reason.DATA_NOT_READABLE:
        raise TryAgain(outcome.message)
    return outcome


def _retrain(
    payload: RetrainingPayload, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock
) -> Outcome:
    spec, name = payload.spec, payload.registered_model
    registry.check_owner(name, payload.owner)
    made = registry.version_of_run(name, payload.run)
    if made is not None:
        return made_before(registry, name, made)
    raw = source.read(source_of(spec))
    twin = learn(spec, raw, payload.plan, progress)
    tags = version_tags(payload, raw) | {"twinops.job": payload.job, "twinops.trigger": payload.trigger}
    summary = summarise(twin, spec, raw, clock())
    version = registry.register(name, payload.owner, twin.bank, summary.wire(), tags, promote=False)
    return registered(registry, name, version)
