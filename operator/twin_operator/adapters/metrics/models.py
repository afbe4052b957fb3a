"""Metrics of TwinModels, their fidelity and retraining, and of the archive; labels are namespace and name of models."""

from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, TwinFidelity

Key = tuple[str, str]
MODEL: Final = ("namespace", "model")
PHASE: Final = ("namespace", "phase")
FIGURES: Final = {
    "score": "Fidelity score of the serving version, 0 to 1.",
    "mean_relative_error": "Relative error of its predictions beyond the noise of the outcomes.",
    "coverage": "Share of outcomes inside their predicted intervals.",
    "bias": "Mean of observed less predicted effects, in the outcome's units.",
    "validations": "Outcomes in the window.",
    "between_experiment_sd": "Median SD of true effects between experiments, in the outcome's units.",
}


class ModelMetrics:
    """The figures of models.

    Args:
        registry: where they are shown from.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        self._fidelity = {
            field: gauge(f"twinops_model_fidelity_{field}", text, MODEL) for field, text in FIGURES.items()
        }
        self._faithful = gauge("twinops_model_faithful", "1 unless the condition Faithful is False.", MODEL)
        self._version = gauge("twinops_model_version", "Version that serves.", MODEL)
        self._failed = gauge(
            "twinops_model_retraining_failed_attempts",
            "Retrainings in a row that failed, were rejected or not promoted.",
            MODEL,
        )
        self._finished = gauge(
            "twinops_model_retraining_last_finished_timestamp_seconds",
            "When the last retraining ended, in seconds since 1970.",
            MODEL,
        )
        self._active = gauge("twinops_model_retraining_active", "1 while a RetrainingJob works on the model.", MODEL)
        self._jobs = counter("twinops_retraining_jobs", "RetrainingJobs that ended.", (*MODEL, "trigger", "result"))
        self._outcomes = counter("twinops_outcomes_graded", "Outcomes that were graded, by grade.", (*MODEL, "grade"))
        self._archive_up = gauge("twinops_archive_up", "1 while the archive answers.")
        self._archive_waiting = gauge(
            "twinops_archive_waiting_entries", "Finished Simulations that wait for the archive."
        )
        self._outcomes_waiting = gauge("twinops_outcomes_waiting", "Outcomes that are not graded yet.")
        self._dead_letters = gauge("twinops_dead_letters", "Messages put aside, at most 1,000.")
        self._archive_up.set(1)
        self._trainings = counter(
            "twinops_model_trainings", "First trainings that ended, by reason.", (*MODEL, "reason")
        )
        self._phases = Phases(gauge("twinops_models_phase", "TwinModels, by phase.", PHASE))
        self._job_phases = Phases(gauge("twinops_retraining_jobs_phase", "RetrainingJobs, by phase.", PHASE))
        self._approvals = Approvals(
            gauge(
                "twinops_model_approval_waiting_since_timestamp_seconds",
                "Since when a retraining waits for approval by a user, in seconds since 1970; absent when none does.",
                MODEL,
            )
        )

    def model(self, key: Key, fidelity: TwinFidelity | None, retraining: RetrainingState, *, faithful: bool) -> None:
        """Show a model's fidelity, where it is known, and its retraining."""
        for field, value in _figures(fidelity).items():
            if value is None:
                _remove(self._fidelity[field], key)
            else:
                self._fidelity[field].labels(*key).set(value)
        self._faithful.labels(*key).set(faithful)
        self._failed.labels(*key).set(retraining.failed_attempts or 0)
        self._active.labels(*key).set(retraining.active_job is not None)
        if retraining.last_finished_time is not None:
            self._finished.labels(*key).set(retraining.last_finished_time.timestamp())

    def serving(self, key: Key, version: str) -> None:
        """Show which version is active."""
        self._version.labels(*key).set(int(version))

    def forget_model(self, key: Key) -> None:
        """Show nothing of a model that is gone; counters stay, as counters do."""
        for gauge in (*self._fidelity.values(), self._faithful, self._version, self._failed, self._finished):
            _remove(gauge, key)
        _remove(self._active, key)
        self._phases.drop(key)

    def model_phase(self, key: Key, phase: str) -> None:
        """Show in which phase a model is."""
        self._phases.put(key, phase)

    def trained(self, key: Key, reason: str) -> None:
        """Count a first training that ended: Succeeded, or why not."""
        self._trainings.labels(*key, reason).inc()

    def job(self, job: Key, model: str, phase: RetrainingJobPhase, waits_since: float | None) -> None:
        """Show in which phase a RetrainingJob is, and since when it waits for approval, where it does."""
        self._job_phases.put(job, phase)
        self._approvals.put(job, model, waits_since)

    def forget_job(self, job: Key) -> None:
        """Count a RetrainingJob that is gone no more."""
        self._job_phases.drop(job)
        self._approvals.drop(job)

    def job_ended(self, key: Key, trigger: Trigger, result: str) -> None:
        """Count a RetrainingJob that ended: Promoted, NotBetter, Failed, Rejected or Cancelled."""
        self._jobs.labels(*key, trigger, result).inc()

    def outcome_graded(self, key: Key, grade: str) -> None:
        """Count an outcome."""
        self._outcomes.labels(*key, grade).inc()

    def archive(self, *, reachable: bool) -> None:
        """Show whether the archive answers."""
        self._archive_up.set(reachable)

    def archive_waiting(self, entries: int) -> None:
        """Show how many entries wait for the archive."""
        self._archive_waiting.set(entries)

    def outcomes_waiting(self, outcomes: int) -> None:
        """Show how many outcomes wait to be graded."""
        self._outcomes_waiting.set(outcomes)

    def dead_letters(self, messages: int) -> None:
        """Show how many messages could not be processed and are kept."""
        self._dead_letters.set(messages)


def _figures(fidelity: TwinFidelity | None) -> dict[str, float | None]:
    """Return the values of the gauges in `FIGURES`; None for those that are not known."""
    if fidelity is None:
        return dict.fromkeys(FIGURES)
    return {
        "score": fidelity.score,
        "mean_relative_error": fidelity.mean_relative_error,
        "coverage": fidelity.coverage,
        "bias": fidelity.bias,
        "validations": fidelity.validations,
        "between_experiment_sd": fidelity.between_experiment_sd,
    }


def _remove(gauge: Gauge, key: Key) -> None:
    try:
        gauge.remove(*key)
    except KeyError:
        return  # it was never shown


class Phases:
    """Counts objects by namespace and phase; remembers the phase of each.

    Args:
        gauge: with the labels namespace and phase.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._known: dict[Key, str] = {}

    def put(self, key: Key, phase: str) -> None:
        """Take note of an object's phase; `key` is its namespace and name."""
        self.drop(key)
        self._known[key] = phase
        self._gauge.labels(key[0], phase).inc()

    def drop(self, key: Key) -> None:
        """Count an object no more."""
        before = self._known.pop(key, None)
        if before is not None:
            self._gauge.labels(key[0], before).dec()


class Approvals:
    """Shows for each model the job that waits longest; nothing for models of which none waits.

    Args:
        gauge: seconds since 1970, with the labels namespace and model.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._waiting: dict[Key, tuple[str, float]] = {}

    def put(self, job: Key, model: str, since: float | None) -> None:
        """Take note of a job (namespace and name); `since` is None unless it waits for approval."""
        self.drop(job)
        if since is not None:
            self._waiting[job] = model, since
            self._show((job[0], model))

    def drop(self, job: Key) -> None:
        """Forget a job."""
        before = self._waiting.pop(job, None)
        if before is not None:
            self._show((job[0], before[0]))

    def _show(self, model: Key) -> None:
        times = [since for job, (name, since) in self._waiting.items() if (job[0], name) == model]
        if times:
            self._gauge.labels(*model).set(min(times))
        else:
            self._gauge.remove(*model)
