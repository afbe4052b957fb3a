"""What Prometheus reads of the operator."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from twin_operator.adapters.metrics import ModelMetrics, ProcessMetrics, SimulationMetrics
from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, TwinFidelity
from twin_operator.services.reconciling.metrics import EndedSimulation

ANSWERED = EndedSimulation("growth", "Succeeded", "Succeeded", 0.04, "simulations", 0.01, ("Deploy", "BenefitLikely"))
REFUSED = EndedSimulation("growth", "Failed", "UnknownArm", 0.02, "simulations", None, None)
JOB = ("growth", "job-1")
OTHER = ("growth", "job-2")
MODEL = {"namespace": "growth", "model": "hillstrom"}
WAITING = "twinops_model_approval_waiting_since_timestamp_seconds"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_simulation_counts_by_its_end_its_recommendation_and_its_times(registry: CollectorRegistry) -> None:
    metrics = SimulationMetrics(registry)
    for figures in (ANSWERED, ANSWERED, REFUSED):
        metrics.finished(figures)
    ended = {"namespace": "growth", "phase": "Succeeded", "reason": "Succeeded"}
    assert registry.get_sample_value("twinops_simulations_finished_total", ended) == 2
    advice = {"namespace": "growth", "action": "Deploy", "reason": "BenefitLikely"}
    assert registry.get_sample_value("twinops_recommendations_total", advice) == 2
    duration = "twinops_simulation_duration_seconds"
    assert registry.get_sample_value(f"{duration}_count", {"namespace": "growth"}) == 3
    assert registry.get_sample_value(f"{duration}_bucket", {"namespace": "growth", "le": "0.025"}) == 1
    waits = "twinops_simulation_queue_wait_seconds_count"
    assert registry.get_sample_value(waits, {"queue": "simulations"}) == 2


def test_what_is_on_its_way_is_asked_at_each_scrape(registry: CollectorRegistry) -> None:
    on_their_way = [3.0, 7.0]
    SimulationMetrics(registry).follow(lambda: len(on_their_way), lambda: max(on_their_way, default=0.0))
    assert registry.get_sample_value("twinops_simulations_unfinished") == 2
    on_their_way.clear()
    assert registry.get_sample_value("twinops_simulations_unfinished") == 0
    assert registry.get_sample_value("twinops_simulations_oldest_seconds") == 0


def test_an_object_counts_in_the_phase_that_it_is_in_and_no_more_when_it_is_gone(registry: CollectorRegistry) -> None:
    def phases() -> dict[str, float | None]:
        named = ("Training", "Ready")
        labels = [{"namespace": "growth", "phase": phase} for phase in named]
        found = [registry.get_sample_value("twinops_models_phase", each) for each in labels]
        return dict(zip(named, found, strict=True))

    metrics = ModelMetrics(registry)
    metrics.model_phase(("growth", "a"), "Training")
    metrics.model_phase(("growth", "b"), "Training")
    metrics.model_phase(("growth", "a"), "Training")
    assert phases() == {"Training": 2, "Ready": None}
    metrics.model_phase(("growth", "a"), "Ready")
    metrics.forget_model(("growth", "b"))
    metrics.forget_model(("growth", "b"))
    assert phases() == {"Training": 0, "Ready": 1}


def test_a_model_shows_the_job_that_waits_longest_for_approval(registry: CollectorRegistry) -> None:
    metrics = ModelMetrics(registry)
    metrics.job(JOB, "hillstrom", RetrainingJobPhase.AWAITING_APPROVAL, 200.0)
    metrics.job(OTHER, "hillstrom", RetrainingJobPhase.AWAITING_APPROVAL, 100.0)
    assert registry.get_sample_value(WAITING, MODEL) == 100
    metrics.forget_job(OTHER)
    assert registry.get_sample_value(WAITING, MODEL) == 200
    metrics.job(JOB, "hillstrom", RetrainingJobPhase.TRAINING, None)
    assert registry.get_sample_value(WAITING, MODEL) is None
    job_phase = {"namespace": "growth", "phase": "Training"}
    assert registry.get_sample_value("twinops_retraining_jobs_phase", job_phase) == 1


def test_a_model_shows_its_fidelity_while_it_is_known_and_its_retraining(registry: CollectorRegistry) -> None:
    def shown(name: str) -> float | None:
        return registry.get_sample_value(f"twinops_model_{name}", MODEL)

    metrics = ModelMetrics(registry)
    fidelity = TwinFidelity(score=0.8, mean_relative_error=0.1, validations=5, between_experiment_sd=0.2)
    ended = datetime(2027, 1, 15, 8, tzinfo=UTC)
    retraining = RetrainingState(failed_attempts=2, active_job="job-1", last_finished_time=ended)
    metrics.model(("growth", "hillstrom"), fidelity, retraining, faithful=False)
    named = ("score", "mean_relative_error", "coverage", "bias", "validations", "between_experiment_sd")
    assert [shown(f"fidelity_{name}") for name in named] == [0.8, 0.1, None, None, 5, 0.2]
    assert (shown("faithful"), shown("retraining_failed_attempts"), shown("retraining_active")) == (0, 2, 1)
    assert shown("retraining_last_finished_timestamp_seconds") == 1_800_000_000
    metrics.model(("growth", "hillstrom"), None, RetrainingState(), faithful=True)
    assert [shown(f"fidelity_{name}") for name in named] == [None] * 6
    assert (shown("faithful"), shown("retraining_failed_attempts"), shown("retraining_active")) == (1, 0, 0)


def test_a_process_shows_its_version_and_neither_leads_nor_has_redis_before_it_says_so(
    registry: CollectorRegistry,
) -> None:
    metrics = ProcessMetrics(registry, "1.2.3")
    assert registry.get_sample_value("twinops_build_info", {"version": "1.2.3"}) == 1
    assert registry.get_sample_value("twinops_leader") == 0
    assert registry.get_sample_value("twinops_redis_up") == 0
    metrics.leading(leads=True)
    metrics.redis(reachable=True)
    assert registry.get_sample_value("twinops_leader") == 1
    assert registry.get_sample_value("twinops_redis_up") == 1


def test_reconciliations_count_by_kind_and_result(registry: CollectorRegistry) -> None:
    metrics = ProcessMetrics(registry, "0")
    metrics.reconciled("TwinModel", 0.2, failed=False)
    metrics.reconciled("TwinModel", 3.0, failed=True)
    for result in ("ok", "error"):
        labels = {"kind": "TwinModel", "result": result}
        assert registry.get_sample_value("twinops_reconciles_total", labels) == 1
    assert registry.get_sample_value("twinops_reconcile_duration_seconds_sum", {"kind": "TwinModel"}) == 3.2


def test_one_registry_takes_them_all(registry: CollectorRegistry) -> None:
    SimulationMetrics(registry)
    ModelMetrics(registry)
    ProcessMetrics(registry, "0").api_retried("PATCH", 429)
    assert b'twinops_api_retries_total{method="PATCH",status="429"} 1.0' in generate_latest(registry)
