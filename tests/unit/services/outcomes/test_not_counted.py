"""Why a graded outcome does not count, as its Simulation says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation, twin_model
from tests.unit.domain.ledgers import outcome
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.outcomes.health import prediction_fidelity

if TYPE_CHECKING:
    from twin_operator.services.runs.run import JSON

KIND = "Simulation"
OBSERVED = {"experiment": "autumn", "effect": 1.0, "standardError": 0.1}


async def answered(site: Installation, *names: str, **spec: Any) -> None:
    """Have Simulations answered by the twin."""
    install_twin(site)
    site.employ()
    for name in names:
        site.apply(simulation(name, **spec))
        await site.until_phase(KIND, name, "Succeeded")
    await site.advance(90)  # an outcome is known later than its prediction


async def graded(site: Installation, name: str, **observed: Any) -> JSON:
    """Give a Simulation its outcome; return its fidelity."""
    site.patch(KIND, name, {"spec": {"observed": OBSERVED | observed}})
    await site.until(lambda: bool((site.status(KIND, name).get("fidelity") or {}).get("grade")))
    fidelity: JSON = site.status(KIND, name)["fidelity"]
    return fidelity


def reason(fidelity: JSON) -> tuple[str | None, str | None]:
    return fidelity.get("notCountedReason"), fidelity.get("notCountedMessage")


@pytest.mark.looptime
async def test_an_outcome_that_counts_has_no_reason() -> None:
    async with Installation() as site:
        await answered(site, "question")
        assert reason(await graded(site, "question")) == (None, None)


@pytest.mark.looptime
async def test_hindsight_is_a_reason() -> None:
    async with Installation() as site:
        await answered(site, "question")
        fidelity = await graded(site, "question", time="2020-01-01T00:00:00Z")
        assert reason(fidelity) == ("Hindsight", "The outcome was known before the prediction was made.")


@pytest.mark.looptime
async def test_the_second_outcome_of_an_experiment_names_the_first() -> None:
    async with Installation() as site:
        await answered(site, "first", "second")
        await graded(site, "first")
        sentence = "The outcome of experiment autumn is already counted for Simulation first."
        assert reason(await graded(site, "second")) == ("SameExperiment", sentence)


def model(**serving: Any) -> TwinModel:
    status = {"model": {"version": "2", "trainedTime": "1970-01-01T00:00:00Z", **serving}}
    return TwinModel.model_validate({**twin_model(), "status": status})


LONG = "a" * 300


@pytest.mark.parametrize(
    ("serving", "wanted", "sentence"),
    [
        ({"version": "3"}, "OtherVersion", "Version 2 made the prediction and is not the active version."),
        ({"experiments": ["autumn"]}, "InTrainingData", "Version 2 was trained on rows of experiment autumn."),
    ],
)
def test_the_active_version_can_be_the_reason(serving: JSON, wanted: str, sentence: str) -> None:
    asked = outcome(1, experiment="autumn")
    fidelity = prediction_fidelity(asked, model(**serving), [asked])
    assert (fidelity.not_counted_reason, fidelity.not_counted_message) == (wanted, sentence)


def test_a_long_name_of_an_experiment_is_found_among_those_that_the_status_cuts() -> None:
    fidelity = prediction_fidelity(outcome(1, experiment=LONG), model(experiments=[LONG]), [])
    assert fidelity.not_counted_reason == "InTrainingData"


def test_a_wider_population_counts_in_its_place() -> None:
    narrow, wide = (outcome(n, experiment="autumn", population_share=share) for n, share in ((1, 0.5), (2, 0.7)))
    fidelity = prediction_fidelity(narrow, model(), [narrow, wide])
    assert fidelity.not_counted_reason == "NotWidest"
    assert (fidelity.not_counted_message or "").startswith("Simulation simulation-2 predicted experiment autumn for a")


def test_hindsight_needs_no_twin_model() -> None:
    known = prediction_fidelity(outcome(1, hindsight=True), None, ())
    assert known.not_counted_reason == "Hindsight"
    assert prediction_fidelity(outcome(1), None, ()).not_counted_reason is None
