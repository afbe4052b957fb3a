"""What is to be done with a Simulation: one pure function of the object, its run's record, its model and the clock."""

from dataclasses import dataclass
from typing import Any

from twin_operator.domain.errors import DomainError
from twin_operator.domain.mixture import Contrast
from twin_operator.domain.trace_context import RunTrace
from twin_operator.services.tasks import JSON, Outcome, Run
from twin_operator.services.tracing import trace_of

TERMINAL = frozenset({"Succeeded", "Failed"})
RETRY_BASE_SECONDS = 1.0  # wait before the second attempt; doubles
RETRY_CAP_SECONDS = 60.0  # longest wait between attempts
DEFAULT_BACKOFF_LIMIT = 3  # retries, as the schema has it
NOT_BUILT = {
    "population.match": "reweighting to given margins",
    "subgroups": "effects by subgroup",
    "trial.unitsPerArm": "playing a trial",
}


@dataclass(frozen=True)
class Simulation:
    """A Simulation as the watch delivered it."""

    body: JSON

    @property
    def uid(self) -> str:
        """The object's identity, and its run's."""
        return str(self.body["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """Where it lives."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.body["metadata"]["name"])

    @property
    def resource_version(self) -> str:
        """The version of the object that was seen last."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        """The number of its wish: changes of status do not raise it."""
        return int(self.body["metadata"].get("generation", 1))

    @property
    def spec(self) -> JSON:
        """The wish."""
        spec: JSON = self.body["spec"]
        return spec

    @property
    def status(self) -> JSON:
        """What was written last."""
        status: JSON = self.body.get("status") or {}
        return status

    @property
    def finished(self) -> bool:
        """Whether it has its answer or never will."""
        return self.status.get("phase") in TERMINAL

    @property
    def model(self) -> tuple[str, str]:
        """Namespace and name of the TwinModel that is asked."""
        return self.namespace, str(self.spec["modelRef"]["name"])

    @property
    def queue(self) -> str:
        """The queue that its task goes to."""
        return str(self.spec.get("queue") or "simulations")

    @property
    def trace(self) -> RunTrace:
        """The trace that its run belongs to."""
        return trace_of(self.body)

    @property
    def attempt_limit(self) -> int:
        """How many attempts may start."""
        return int(self.spec.get("backoffLimit", DEFAULT_BACKOFF_LIMIT)) + 1


@dataclass(frozen=True)
class Version:
    """A version of a twin that can be asked: what the operator knows of it without its bank."""

    registered_model: str
    version: str
    arms: tuple[str, ...]
    features: dict[str, str]
    contrasts: tuple[Contrast, ...]

    def contrast(self, arm: str, against: str | None) -> Contrast:
        """Return the comparison that is asked for.

        Raises:
            Refusal: `UnknownArm` or `ArmsNotCompared`.
        """
        other = against or self.arms[0]
        for name in (arm, other):
            if name not in self.arms:
                raise Refusal("UnknownArm", f"The twin knows no arm {name!r}; it knows {', '.join(self.arms)}.")
        if arm == other:
            raise Refusal("UnknownArm", f"{arm!r} cannot be compared with itself; name another arm in `against`.")
        for contrast in self.contrasts:
            if (contrast.arm, contrast.against) == (arm, other):
                return contrast
        raise Refusal("ArmsNotCompared", f"No past experiment randomised both {arm!r} and {other!r}.")


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A Simulation that no worker can answer."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, message)


@dataclass(frozen=True)
class Waiting:
    """It waits: for its model, for a worker, or because it is suspended."""

    phase: str
    reason: str
    message: str


@dataclass(frozen=True)
class Enqueue:
    """Its task is to be published, not before `at` (seconds since the epoch)."""

    version: Version
    at: float


@dataclass(frozen=True)
class Finish:
    """It is over."""

    outcome: Outcome


@dataclass(frozen=True)
class Running:
    """Its task is on its way."""

    phase: str
    reason: str
    message: str


Decision = Waiting | Enqueue | Finish | Running


def decide(  # noqa: PLR0911 - a table of cases, first match first
    simulation: Simulation, run: Run, model: "Version | Waiting | Refusal", *, published: bool, served: bool, now: float
) -> Decision:
    """Decide what is next for an unfinished Simulation.

    Args:
        simulation: the object.
        run: the record of its run.
        model: the version that answers, why there is none yet, or why there never will be.
        published: whether its message is known to be on its way.
        served: whether a WorkerPool with workers serves its queue.
        now: seconds since the epoch.
    """
    if run.outcome is not None:
        return Finish(run.outcome)
    unbuilt = not_built(simulation.spec)
    if unbuilt is not None:
        return Finish(
            Outcome("NotSupported", f"spec.{unbuilt} ({NOT_BUILT[unbuilt]}) is not supported yet; remove it.")
        )
    if simulation.spec.get("suspend"):
        return Waiting("Suspended", "Suspended", "Suspended; set spec.suspend to false to go on.")
    if expired(simulation, run, now):
        limit = simulation.spec["activeDeadlineSeconds"]
        return Finish(Outcome("DeadlineExceeded", f"Not done within {limit} seconds of being queued."))
    if run.leased:
        return Running("Running", "Running", f"Attempt {run.attempts} runs on {run.worker}.")
    if run.attempts >= simulation.attempt_limit:
        cause = run.error or "the worker was lost"
        return Finish(Outcome("BackoffLimitExceeded", f"All {run.attempts} attempts failed; the last one: {cause}."))
    if isinstance(model, Refusal):
        return Finish(model.outcome)
    if isinstance(model, Waiting):
        return model
    if published:
        return _queued(simulation.queue, served=served)
    return _enqueue(simulation, run, model, now)


def expired(simulation: Simulation, run: Run, now: float) -> bool:
    """Whether the deadline, counted from queuedTime, is over."""
    deadline = deadline_of(simulation, run)
    return deadline is not None and now >= deadline


def deadline_of(simulation: Simulation, run: Run) -> float | None:
    """Return when the deadline is, seconds since the epoch."""
    seconds = simulation.spec.get("activeDeadlineSeconds")
    return None if seconds is None or run.queued is None else run.queued + seconds


def not_built(spec: JSON) -> str | None:
    """Return the first field of a Simulation's spec whose behaviour is not built yet."""
    for path in NOT_BUILT:
        value: Any = spec
        for part in path.split("."):
            value = (value or {}).get(part)
        if value:
            return path
    return None


def _queued(queue: str, *, served: bool) -> Running:
    if served:
        return Running("Queued", "Queued", f"Waits in queue {queue} for a worker.")
    return Running("Queued", "NoWorkers", f"No WorkerPool has workers for queue {queue}; it waits for one.")


def _enqueue(simulation: Simulation, run: Run, version: Version, now: float) -> Enqueue | Finish:
    against = simulation.spec["intervention"].get("against")
    try:
        version.contrast(simulation.spec["intervention"]["arm"], against)
    except Refusal as refusal:
        return Finish(refusal.outcome)
    except DomainError as error:
        return Finish(Outcome(error.reason, str(error)))
    if run.failed is None:
        return Enqueue(version, now)
    wait = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** max(0, run.attempts - 1))
    return Enqueue(version, run.failed + wait)
