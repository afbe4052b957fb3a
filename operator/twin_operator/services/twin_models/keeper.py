"""Keeps serving models faithful: gathers what is known of one, has it decided on, and makes the job that is wanted."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.twin_model_status import DataState
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.outcomes.health import Health, health_of
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Event, Gone, JSONResources
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.retraining.history import accounted, next_turn
from twin_operator.services.retraining.objects import job_manifest
from twin_operator.services.retraining.state import KIND, finished, waits_for_a_person_since
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp
from twin_operator.services.twin_models.data_checks import DataWatch
from twin_operator.services.twin_models.upkeep import Upkeep, UpkeepSnapshot, upkeep
from twin_operator.services.versions.active import registered_model
from twin_operator.services.versions.twins import Twins
from twin_operator.services.versions.version import Version

logger = logging.getLogger(__name__)
Key = tuple[str, str]


@dataclass
class ModelKeeper:
    """Looks after models that serve.

    Args:
        resources: the API server.
        twins: knows versions.
        ledger: the recorded outcomes.
        access: knows whether the archive answers.
        watch: looks at data.
        meters: shows figures.
        clock: seconds since the epoch.
    """

    resources: JSONResources
    twins: Twins
    ledger: Ledger
    access: ArchiveAccess
    watch: DataWatch
    meters: Meters
    clock: Callable[[], float]
    _jobs: dict[Key, dict[str, JSON]] = field(default_factory=dict)
    _deleted: dict[Key, set[str]] = field(default_factory=dict)

    def job_seen(self, body: JSON, *, deleted: bool) -> Key:
        """Take note of a RetrainingJob; return the key of its model."""
        meta = body["metadata"]
        key = meta["namespace"], body["spec"]["modelRef"]["name"]
        jobs = self._jobs.setdefault(key, {})
        if deleted:
            jobs.pop(meta["name"], None)
            self._deleted.setdefault(key, set()).add(meta["name"])
            self.meters.forget_job((key[0], meta["name"]))
        else:
            jobs[meta["name"]] = body
            phase = (body.get("status") or {}).get("phase", "Pending")
            self.meters.job((key[0], meta["name"]), key[1], phase, waits_for_a_person_since(body))
        return key

    def unfinished_jobs(self, key: Key) -> list[Key]:
        """Return namespaces and names of the jobs of a model that have not ended."""
        return [(key[0], name) for name, job in self._jobs.get(key, {}).items() if not finished(job)]

    async def outcomes(self, model: JSON) -> Sequence[RecordedOutcome]:
        """Return the recorded outcomes of a model."""
        return await self.ledger.outcomes(registered_model(TwinModel.model_validate(model))) or ()

    async def health(self, body: JSON) -> Health | None:
        """Judge the version that serves; None while that cannot be known."""
        model = TwinModel.model_validate(body)
        outcomes = await self.ledger.outcomes(registered_model(model))
        version = await self.twins.version(registered_model(model), body["status"]["model"]["version"])
        if outcomes is None or not isinstance(version, Version):
            return None
        return health_of(model, outcomes, version.contrasts)

    async def keep(self, key: Key, model: TwinModel) -> Upkeep:
        """Decide what a serving model needs, make the job that is wanted, and return what its status is to say."""
        body = model.manifest()
        state = (body.get("status") or {}).get("data") if _held(body) else await self.watch.observe(key, body)
        retraining = (body.get("status") or {}).get("retraining") or {}
        jobs = list(self._jobs.get(key, {}).values())
        snapshot = UpkeepSnapshot(
            body=body,
            health=await self.health(body),
            trouble=self.access.trouble,
            retraining=accounted(retraining, jobs),
            jobs=jobs,
            seen=self.watch.seen(key, state, body),
        )
        decision = upkeep(snapshot, self.clock())
        if decision.wanted is not None:
            decision = await self._make_job(key, snapshot)
        allowed = decision.retraining.next_allowed_time
        cooled = allowed is None or self.clock() >= allowed.timestamp()
        turn = await self._turn(key, retraining.get("activeJob"), cooled=cooled)
        await self._tell(body, decision)
        decision = replace(
            decision,
            retraining=decision.retraining.replace(active_job=turn),
            data=None if state is None else DataState.model_validate(state),
        )
        self.meters.model(key, decision.fidelity, decision.retraining, faithful=not decision.degraded)
        self.meters.serving(key, body["status"]["model"]["version"])
        again = min((moment for moment in (decision.again, self.watch.due(key)) if moment is not None), default=None)
        return replace(decision, again=again)

    def forget(self, key: Key) -> None:
        """Drop what is known of a model that is gone."""
        self.watch.forget(key)
        self.meters.forget_model(key)

    async def _make_job(self, key: Key, snapshot: UpkeepSnapshot) -> Upkeep:
        """Make the job that is wanted, unless the API server knows of one that has not come by the watch yet."""
        known = await self.resources.of_model(KIND, *key)
        snapshot = replace(snapshot, jobs=known, retraining=accounted(snapshot.retraining, known))
        for job in known:
            self.job_seen(job, deleted=False)
        decision = upkeep(snapshot, self.clock())
        if decision.wanted is not None:
            try:
                self.job_seen(
                    await self.resources.create(KIND, job_manifest(snapshot.body, decision.wanted)), deleted=False
                )
                logger.info("RetrainingJob %s/%s: %s", key[0], decision.wanted.name, decision.wanted.message)
            except Changed:
                logger.debug("RetrainingJob %s is there already.", decision.wanted.name)
        return decision

    async def _turn(self, key: Key, holder: str | None, *, cooled: bool) -> str | None:
        """Return the job whose turn it is; a holder that the watch does not show is looked up before it loses it.

        A job that was deleted takes its turn along, also where another of its name came at once.
        """
        jobs = self._jobs.get(key, {})
        gone = self._deleted.pop(key, set())
        if holder is not None and holder not in jobs and holder not in gone and not await self._is_there(key, holder):
            gone.add(holder)
        return next_turn(list(self._jobs.get(key, {}).values()), holder, gone, cooled=cooled)

    async def _is_there(self, key: Key, name: str) -> bool:
        """Whether the API server has a job of this name for this model; the watch may be behind."""
        try:
            body = await self.resources.read(KIND, key[0], name)
        except Gone:
            return False
        return self.job_seen(body, deleted=False) == key

    async def _tell(self, body: JSON, decision: Upkeep) -> None:
        """Tell an Event when the model is found unfaithful."""
        before = _condition(body, "Faithful")
        now = next((fact for fact in decision.facts if fact.type == "Faithful"), None)
        if now is not None and now.status == "False" and before != "False":
            await self.resources.emit(_degraded(body, now))
        if decision.skipped is not None:
            time = decision.retraining.next_scheduled_time
            upcoming = str(None if time is None else timestamp(time.timestamp()))
            message = f"The schedule passes without a retraining: {decision.skipped.message}"
            await self.resources.emit(
                Event(TwinModel.model_validate(body), "RetrainingSkipped", message, occasion=f"before {upcoming}")
            )


def _held(body: JSON) -> bool:
    """Whether nothing that the data may hold can start a job: then nobody looks at it."""
    spec = body["spec"]
    return bool(spec.get("suspend") or spec.get("version") or (spec.get("retraining") or {}).get("suspend"))


def _degraded(body: JSON, fact: Fact) -> Event:
    version = body["status"]["model"]["version"]
    return Event(TwinModel.model_validate(body), fact.reason, fact.message, warning=True, occasion=f"version {version}")


def _condition(body: JSON, kind: str) -> str | None:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((c["status"] for c in conditions if c["type"] == kind), None)
