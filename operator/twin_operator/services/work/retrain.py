"""Train a candidate: like a first training, but by a plan, and without letting it serve. Runs in a worker."""

from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.payloads import plan_from_json
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.twin_spec import source_of
from twin_operator.services.work.train import (
    Clock,
    DataSource,
    ModelRegistry,
    Progress,
    fingerprint,
    learn,
    made_before,
    refusals_as_outcomes,
    registered,
    summarise,
)

NOT_READABLE = "DataNotReadable"  # a store that is away may be back for the next attempt; bad rows stay bad


def retrain_twin(
    payload: JSON, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock
) -> Outcome:
    """Carry out a retraining task; at most one version comes of a run, however often it is delivered.

    Args:
        payload: `spec` (a TwinModel's, as JSON), `registeredModel`, `owner`, `run`, `job` (the uid of the
            RetrainingJob), `trigger` (its type) and `plan` (see `plan_json`).
        source: where the data is read from.
        registry: where the version goes.
        progress: called with a share done (0 to 1) and a phrase.
        clock: seconds since the epoch, for `trainedTime`.

    Returns:
        the summary of the candidate, with the plan as it was carried out, or why there is none.

    Raises:
        TryAgain: the data cannot be read now.
    """
    outcome = refusals_as_outcomes(lambda: _retrain(payload, source, registry, progress, clock))
    if outcome.reason == NOT_READABLE:
        raise TryAgain(outcome.message)
    return outcome


def _retrain(payload: JSON, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock) -> Outcome:
    spec, name = payload["spec"], payload["registeredModel"]
    registry.check_owner(name, payload["owner"])
    made = registry.version_of_run(name, payload["run"])
    if made is not None:
        return made_before(registry, name, made)
    raw = source.read(source_of(spec))
    twin = learn(spec, raw, plan_from_json(payload["plan"]), progress)
    tags = {
        "twinops.fingerprint": fingerprint(spec, raw),
        "twinops.run": payload["run"],
        "twinops.job": payload["job"],
        "twinops.trigger": payload["trigger"],
    }
    summary = {**summarise(twin, spec, raw), "trainedTime": timestamp(clock())}
    version = registry.register(name, payload["owner"], twin.bank, summary, tags, promote=False)
    return registered(registry, name, version)
