"""Metrics of fidelity, retraining and the archive, for Prometheus; labels are namespace and name of TwinModels."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

JSON = Mapping[str, Any]
Key = tuple[str, str]
MODEL: Final = ("namespace", "model")
FIGURES: Final = {
    "score": "Fidelity score of the serving version, 0 to 1.",
    "meanRelativeError": "Relative error of its predictions beyond the noise of the outcomes.",
    "coverage": "Share of outcomes inside their predicted intervals.",
    "bias": "Mean of observed less predicted effects, in the outcome's units.",
    "validations": "Outcomes in the window.",
    "betweenExperimentSD": "Median SD of true effects between experiments, in the outcome's units.",
}
NAMES: Final = {
    "score": "score",
    "meanRelativeError": "mean_relative_error",
    "coverage": "coverage",
    "bias": "bias",
    "validations": "validations",
    "betweenExperimentSD": "between_experiment_sd",
}


class Metrics:
    """The operator's figures.

    Args:
        registry: where they are shown from.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._fidelity = {
            field: Gauge(f"twinops_model_fidelity_{NAMES[field]}", text, MODEL, registry=registry)
            for field, text in FIGURES.items()
        }
        self._faithful = Gauge(
            "twinops_model_faithful", "1 unless the condition Faithful is False.", MODEL, registry=registry
        )
        self._version = Gauge("twinops_model_version", "Version that serves.", MODEL, registry=registry)
        self._failed = Gauge(
            "twinops_model_retraining_failed_attempts",
            "Retrainings in a row that failed, were rejected or not promoted.",
            MODEL,
            registry=registry,
        )
        self._finished = Gauge(
            "twinops_model_retraining_last_finished_timestamp_seconds",
            "When the last retraining ended, in seconds since 1970.",
            MODEL,
            registry=registry,
        )
        self._active = Gauge(
            "twinops_model_retraining_active", "1 while a RetrainingJob works on the model.", MODEL, registry=registry
        )
        self._jobs = Counter(
            "twinops_retraining_jobs",
            "RetrainingJobs that ended, by trigger and by what became of them.",
            (*MODEL, "trigger", "result"),
            registry=registry,
        )
        self._outcomes = Counter(
            "twinops_outcomes_graded", "Outcomes that were graded, by grade.", (*MODEL, "grade"), registry=registry
        )
        self._archive_up = Gauge("twinops_archive_up", "1 while the archive answers.", registry=registry)
        self._archive_waiting = Gauge(
            "twinops_archive_waiting_entries", "Finished Simulations that wait for the archive.", registry=registry
        )
        self._outcomes_waiting = Gauge("twinops_outcomes_waiting", "Outcomes not graded yet.", registry=registry)
        self._dead_letters = Gauge("twinops_dead_letters", "Messages put aside, at most 1,000.", registry=registry)
        self._archive_up.set(1)

    def model(self, key: Key, status: JSON, *, faithful: bool) -> None:
        """Show a model's fidelity and retraining as its status has them."""
        fidelity = status.get("fidelity") or {}
        for field, gauge in self._fidelity.items():
            if fidelity.get(field) is not None:
                gauge.labels(*key).set(fidelity[field])
            else:
                _remove(gauge, key)
        self._faithful.labels(*key).set(faithful)
        retraining = status.get("retraining") or {}
        self._failed.labels(*key).set(retraining.get("failedAttempts") or 0)
        self._active.labels(*key).set(bool(retraining.get("activeJob")))
        if retraining.get("lastFinishedTime"):
            self._finished.labels(*key).set(datetime.fromisoformat(retraining["lastFinishedTime"]).timestamp())

    def serving(self, key: Key, version: str) -> None:
        """Show which version serves."""
        self._version.labels(*key).set(int(version))

    def forget_model(self, key: Key) -> None:
        """Show nothing of a model that is gone; counters stay, as counters do."""
        for gauge in (*self._fidelity.values(), self._faithful, self._version, self._failed, self._finished):
            _remove(gauge, key)
        _remove(self._active, key)

    def job_ended(self, key: Key, trigger: str, result: str) -> None:
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
        """Show how many messages could not be carried out and are kept."""
        self._dead_letters.set(messages)


def _remove(gauge: Gauge, key: Key) -> None:
    try:
        gauge.remove(*key)
    except KeyError:
        return  # it was never shown
