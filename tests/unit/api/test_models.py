"""Reading and writing resources in Python."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus, TwinModel, WorkerPool
from twin_operator.api.v1alpha1.fields import format_duration, parse_duration, round_figure
from twin_operator.api.v1alpha1.schema import ApiModel, wire_name
from twin_operator.api.v1alpha1.simulation_status import PredictedEffect
from twin_operator.api.v1alpha1.twin_model_status import ServingModel
from twin_operator.domain.effects.answers import Answer

SIMULATION: dict[str, Any] = {
    "apiVersion": "twinops.dev/v1alpha1",
    "kind": "Simulation",
    "metadata": {"name": "mens", "namespace": "default", "uid": "1", "managedFields": []},
    "spec": {
        "modelRef": {"name": "hillstrom"},
        "intervention": {"arm": "Mens E-Mail"},
        "population": {"where": [{"feature": "recency", "operator": "LessThan", "values": ["6"]}]},
        "trial": {"clusterSizeCV": 0.5},
    },
}
TWIN_MODEL_SPEC: dict[str, Any] = {
    "data": {"uri": "file:///data/x.csv"},
    "columns": {
        "features": [{"name": "recency", "type": "Numeric"}],
        "treatment": {"name": "segment", "control": "No E-Mail"},
        "outcome": {"name": "visit", "type": "Binary", "better": "Higher"},
    },
}


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("size", "size"),
        ("sd", "sd"),
        ("run_id", "runID"),
        ("tipping_point_sd", "tippingPointSD"),
        ("cluster_size_cv", "clusterSizeCV"),
        ("p_value", "pValue"),
        ("ttl_seconds_after_finished", "ttlSecondsAfterFinished"),
    ],
)
def test_a_field_has_its_name_on_the_wire(field: str, name: str) -> None:
    assert wire_name(field) == name


def test_an_object_is_read_by_its_names_on_the_wire() -> None:
    simulation = Simulation.model_validate(SIMULATION)
    assert simulation.spec.population.where[0].feature == "recency"
    assert simulation.spec.trial.cluster_size_cv == 0.5


def test_fields_of_later_versions_are_ignored() -> None:
    later = SIMULATION | {"spec": SIMULATION["spec"] | {"mood": "good"}}
    assert Simulation.model_validate(later) == Simulation.model_validate(SIMULATION)


def test_an_object_survives_being_written_and_read() -> None:
    simulation = Simulation.model_validate(SIMULATION)
    assert Simulation.model_validate(simulation.manifest()) == simulation


def field_names(kind: Any) -> Any:
    """Give the names of a type's fields, nested where a field has fields itself."""
    hints = get_type_hints(kind)
    nested = {name: [part for part in (hint, *get_args(hint)) if is_composite(part)] for name, hint in hints.items()}
    return {name: field_names(parts[0]) if parts else {} for name, parts in nested.items() if name in members(kind)}


def members(kind: Any) -> set[str]:
    return {field.name for field in fields(kind)} if is_dataclass(kind) else set(kind.model_fields)


def is_composite(part: object) -> bool:
    return isinstance(part, type) and (is_dataclass(part) or issubclass(part, ApiModel))


def missing(wanted: dict[str, Any], there: dict[str, Any], path: str = "") -> list[str]:
    """List the names of one tree that another has not."""
    absent = [f"{path}{name}" for name in wanted if name not in there]
    known = [name for name in wanted if name in there]
    return absent + [gap for name in known for gap in missing(wanted[name], there[name], f"{path}{name}.")]


def test_status_has_a_place_for_all_that_the_domain_answers() -> None:
    beside = ["evidence"]  # what the operator makes the recommendation of
    assert missing(field_names(Answer), field_names(SimulationStatus)) == beside


def test_a_replaced_value_is_checked() -> None:
    with pytest.raises(ValidationError, match="observed_generation"):
        SimulationStatus().replace(observed_generation=-2)


@pytest.mark.parametrize(
    ("value", "figure"),
    [(0.07659123456, 0.0765912), (1234567.0, 1234570.0), (float("nan"), None), (float("inf"), None), (None, None)],
)
def test_a_figure_has_six_digits_and_is_absent_rather_than_not_finite(value: float, figure: float | None) -> None:
    assert round_figure(value) == figure
    assert PredictedEffect(estimate=value).estimate == figure


def test_metrics_that_are_not_finite_are_left_out() -> None:
    assert ServingModel(version="1", metrics={"auc": 0.51234567, "lost": float("nan")}).metrics == {"auc": 0.512346}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86_400), ("1h30m", 5_400), ("90m", 5_400), ("1.5s", 1.5), ("250ms", 0.25), ("0s", 0)],
)
def test_a_go_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "24", "h", "1 day", "-1h", "1h 30m", "P1D", "1h\n"])
def test_what_is_no_go_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write hours, minutes and seconds, such as 30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["24h", "90m", "61s", "1500ms", "0h"])
def test_a_duration_is_written_in_its_largest_whole_unit(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


def read_schedule(schedule: str) -> str | None:
    """Read a TwinModel with a schedule, and give the schedule."""
    spec = TWIN_MODEL_SPEC | {"retraining": {"schedule": schedule}}
    return TwinModel.model_validate({"spec": spec}).spec.retraining.schedule


@pytest.mark.parametrize("schedule", ["0 3 * * 0", "*/15 0-6,22 1-15/2 JAN,MAR MON-FRI"])
def test_a_schedule_has_five_cron_fields(schedule: str) -> None:
    assert read_schedule(schedule) == schedule


@pytest.mark.parametrize(
    "schedule",
    ["60 3 * * 0", "0 24 * * *", "0 3 * *", "0 3 * * * *", "@daily", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8"],
)
def test_what_cron_does_not_know_is_refused(schedule: str) -> None:
    with pytest.raises(ValidationError, match="is not a schedule: write minute, hour, day of month, month and weekday"):
        read_schedule(schedule)


def test_a_partial_pod_template_is_kept_as_it_is() -> None:
    template = {"spec": {"containers": [{"name": "worker", "envFrom": [{"secretRef": {"name": "s3"}}]}]}}
    pool = WorkerPool.model_validate({"spec": {"queues": ["training"], "template": template}})
    assert pool.manifest()["spec"]["template"] == template


def test_times_are_written_in_rfc_3339() -> None:
    status = SimulationStatus(start_time=datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert status.manifest()["startTime"] == "2026-05-01T12:00:00Z"
