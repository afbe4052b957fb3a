"""What a status lists of a version with more arms, experiments or metrics, or longer labels, than it has room for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.schema import definitions
from tests.unit.services.twin_models.test_plan import NOW, TRAINED, model, next_for, succeeded
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.domain.checks.findings import arm_metric
from twin_operator.domain.twin import ArmEffect, Contrast
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.twin_models.listing import serving_model
from twin_operator.services.twin_models.refusals import smaller_statuses
from twin_operator.services.twin_models.status import with_new_version, with_version

EFFECT = TRAINED.effects[0]


def of_arms(count: int, **changes: Any) -> TrainedVersion:
    """A version with a control and `count` other arms."""
    arms = ("control", *(f"mail-{number:03}" for number in range(count)))
    metrics = {"r_squared_control": 0.1, **{arm_metric("robustness_value", arm): 0.2 for arm in arms}, "loss": 0.5}
    effects = tuple(replace(EFFECT, arm=arm) for arm in arms[1:])
    return TRAINED.model_copy(update={"arms": arms, "effects": effects, "metrics": metrics, **changes})


def problems(resource: TwinModel) -> list[str]:
    """Why the API server refuses a TwinModel's status."""
    definition = definitions()["TwinModel"]
    body = {"spec": resource.spec.manifest(), "status": resource.status.manifest()}
    return [each for each in definition.problems(definition.admitted(body)) if each.startswith("status")]


@pytest.mark.parametrize("count", [33, 400])
def test_the_control_and_the_first_32_arms_are_listed_with_their_effects(count: int) -> None:
    trained = of_arms(count)
    status = with_new_version(model(), trained, NOW)
    assert status.model is not None
    assert status.model.arms == trained.arms[:33]
    assert tuple(effect.arm for effect in status.effects) == trained.arms[1:33]
    assert f"33 of {count + 1} arms" in str(status.model.omitted)
    assert problems(model(status)) == []


def test_effects_are_those_of_the_arms_that_are_listed() -> None:
    effects = of_arms(40).effects[5:]  # the first ones could not be measured
    status = with_new_version(model(), of_arms(40, effects=effects), NOW)
    assert [effect.arm for effect in status.effects] == [f"mail-{number:03}" for number in range(5, 32)]


def test_metrics_of_the_whole_twin_are_listed_before_those_of_arms() -> None:
    metrics = serving_model(of_arms(100), NOW).metrics
    assert list(metrics)[:2] == ["loss", "r_squared_control"]
    assert len(metrics) == 64


def test_what_is_left_out_is_counted_and_nothing_is_said_where_all_is_there() -> None:
    assert serving_model(TRAINED, NOW).omitted is None
    names = tuple(f"e{number}" for number in range(1001))
    sentence = "This status lists 33 of 41 arms, 1000 of 1001 experiments"
    assert str(serving_model(of_arms(40, experiments=names), NOW).omitted).startswith(sentence)


def test_long_names_of_experiments_are_cut_and_keep_apart() -> None:
    names = tuple("spring " * 100 + end for end in ("1", "2"))
    shown = serving_model(TRAINED.model_copy(update={"experiments": names}), NOW).experiments
    assert [len(name) for name in shown] == [256, 256]
    assert shown[0] != shown[1]
    assert all(name.startswith("spring spring") and "…" in name for name in shown)


def test_many_warnings_are_cut_with_an_ellipsis() -> None:
    decision = next_for(model(), succeeded(warnings=("Blanks around labels were trimmed.",) * 100))
    (found,) = (each.message for each in decision.status.conditions if each.type == "DataWarning")
    assert (len(found), found[-1]) == (1000, "…")


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([1e-300, 1e15, 1.0000001e15, -1e300, 1e300])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
LABELS = st.builds(lambda text, times: text * times, TEXTS, st.sampled_from([1, 1, 20, 200]))


@st.composite
def versions(draw: st.DrawFn) -> TrainedVersion:
    """A version as a worker may describe it, whatever the data was."""
    labels = draw(st.lists(LABELS, min_size=2, max_size=5, unique=True))
    labels += [f"{labels[0]} {number}" for number in range(draw(st.sampled_from([0, 0, 40])))]
    numbers = iter(draw(st.lists(NUMBERS, min_size=12, max_size=12)))
    effects = [
        ArmEffect(arm, draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), calibrated=True)
        for arm in labels[1:4]
    ]
    contrast = replace(CONTRAST, arm=labels[1], against=labels[0])
    return TRAINED.model_copy(
        update={
            "arms": tuple(labels),
            "experiments": tuple(draw(st.lists(LABELS, max_size=4))),
            "effects": (*effects, *(replace(effects[0], arm=arm) for arm in labels[4:])),
            "metrics": {arm_metric("trend_p", arm): value for arm, value in zip(labels, numbers, strict=False)},
            "warnings": tuple(draw(st.lists(LABELS, max_size=4))),
            "assignment_not_random": draw(st.none() | LABELS),
            "contrasts": (contrast, contrast.reversed()),
        }
    )


CONTRAST = Contrast.from_dict(
    {"arm": "B", "against": "A", "experiments": ["e"], "y": [0.1], "v": [0.1], "pi": [1.0], "sd0": 1.0}
)


@given(versions())
@settings(max_examples=60, deadline=None)
def test_a_status_of_any_version_is_one_that_the_api_server_accepts(trained: TrainedVersion) -> None:
    full = model(with_new_version(model(), trained, NOW))
    assert problems(full) == []
    assert problems(model(with_version(full, NOW))) == []
    refused = Refused("x" * 5_000 + "status.effects[3].arm: Too long")
    for smaller in smaller_statuses(model(), full, refused, NOW):
        assert problems(smaller) == []
