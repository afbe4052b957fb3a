"""The operator's metrics follow what happens on the real thing."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform


def figures(platform: Platform) -> dict[str, float]:
    """Return the operator's samples by name and labels, `name{label=value}`; those of other namespaces left out."""
    families = text_string_to_metric_families(platform.metrics())
    samples = [sample for family in families for sample in family.samples]
    own = [each for each in samples if each.labels.get("namespace", platform.namespace) == platform.namespace]
    return {_called(each.name, each.labels): each.value for each in own}


def _called(name: str, labels: dict[str, str]) -> str:
    shown = ",".join(f"{label}={value}" for label, value in sorted(labels.items()) if label != "namespace")
    return f"{name}{{{shown}}}" if shown else name


def test_a_leader_says_that_it_leads_and_that_redis_answers(trained: Platform) -> None:
    trained.kube.until(lambda: figures(trained)["twinops_redis_up"] == 1)
    assert figures(trained)["twinops_leader"] == 1


def test_a_training_counts_and_the_model_is_in_its_phase(trained: Platform) -> None:
    trained.apply("TwinModel", "counted", model_spec(f"file://{trained.data}/campaign.csv"))
    trained.until_phase("TwinModel", "counted", "Ready")
    trained.kube.until(
        lambda: figures(trained).get("twinops_model_trainings_total{model=counted,reason=Succeeded}") == 1
    )
    now = figures(trained)
    assert now["twinops_models_phase{phase=Ready}"] >= 2
    assert now["twinops_reconciles_total{kind=TwinModel,result=ok}"] > 0


def test_an_answer_counts_with_its_recommendation_and_its_times(trained: Platform) -> None:
    before = figures(trained)
    trained.apply("Simulation", "measured", question(seed=404))
    trained.until_phase("Simulation", "measured", "Succeeded")

    def grown(name: str) -> float:
        return figures(trained).get(name, 0.0) - before.get(name, 0.0)

    trained.kube.until(lambda: grown("twinops_simulations_finished_total{phase=Succeeded,reason=Succeeded}") == 1)
    action = trained.get("Simulation", "measured")["status"]["recommendation"]
    counted = f"twinops_recommendations_total{{action={action['action']},reason={action['reason']}}}"
    assert grown(counted) == 1
    assert grown("twinops_simulation_duration_seconds_count") == 1
    assert 0 < grown("twinops_simulation_duration_seconds_sum") < 60
    assert grown("twinops_simulation_queue_wait_seconds_count{queue=simulations}") == 1
    assert grown("twinops_simulations_published_total") >= 1
    trained.kube.until(
        lambda: figures(trained)["twinops_simulations_unfinished"] == before["twinops_simulations_unfinished"]
    )


def test_a_question_that_cannot_be_answered_counts_with_its_reason(trained: Platform) -> None:
    trained.apply("Simulation", "unasked", question(arm="Telegram"))
    trained.until_phase("Simulation", "unasked", "Failed")
    name = "twinops_simulations_finished_total{phase=Failed,reason=UnknownArm}"
    trained.kube.until(lambda: figures(trained).get(name, 0) >= 1)


def test_a_training_that_fails_counts_with_its_reason(trained: Platform) -> None:
    before = figures(trained).get("twinops_models_phase{phase=Failed}", 0)
    trained.apply("TwinModel", "lost", model_spec(f"file://{trained.data}/not-there.csv"))
    name = "twinops_model_trainings_total{model=lost,reason=DataNotReadable}"
    trained.kube.until(lambda: figures(trained).get(name, 0) >= 1)
    trained.kube.until(lambda: figures(trained).get("twinops_models_phase{phase=Failed}", 0) == before + 1)
    trained.kube.kubectl("delete", "twinmodel", "lost", "-n", trained.namespace)
    trained.kube.until(lambda: figures(trained)["twinops_models_phase{phase=Failed}"] == before)
