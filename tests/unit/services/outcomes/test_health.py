"""Whose outcomes count for a twin: those of its own, and of the version that is active by its MLflow run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from twin_operator.domain.fidelity.ledger import TwinKey

pytestmark = pytest.mark.looptime
OBSERVED = {"experiment": "autumn", "effect": 1.0, "standardError": 0.1}


async def validated(site: Installation) -> None:
    """Have one outcome graded and counted."""
    install_twin(site)
    site.employ()
    site.apply(simulation("question"))
    await site.until_phase("Simulation", "question", "Succeeded")
    site.patch("Simulation", "question", {"spec": {"observed": OBSERVED}})
    await site.until(lambda: validations(site) == 1)


def validations(site: Installation) -> int:
    return int((site.status("TwinModel", TWIN).get("fidelity") or {}).get("validations", 0))


async def test_a_version_with_the_number_of_a_deleted_one_starts_without_outcomes() -> None:
    async with Installation() as site:
        await validated(site)
        run = {"runID": "of the training after the deletion", "trainedTime": "2027-01-15T09:00:00Z"}
        site.cluster.patch_status("TwinModel", "default", TWIN, {"status": {"model": run}})
        await site.until(lambda: validations(site) == 0)
        assert site.condition("TwinModel", TWIN, "Faithful")["reason"] == "NotValidated"
        assert len(site.archive.outcomes(site.twin(TWIN))) == 1


async def test_a_twin_that_is_made_again_under_its_name_keeps_its_outcomes() -> None:
    async with Installation() as site:
        await validated(site)
        body = site.get("TwinModel", TWIN)
        site.remove("TwinModel", TWIN)
        site.apply({**body, "metadata": {"namespace": "default", "name": TWIN}})
        site.cluster.patch_status("TwinModel", "default", TWIN, {"status": {**body["status"], "fidelity": None}})
        await site.until(lambda: validations(site) == 1)


@pytest.mark.parametrize("other", [{"cluster": "another"}, {"namespace": "another"}, {"name": "another"}])
async def test_outcomes_of_a_twin_with_the_same_registered_model_do_not_count(other: dict[str, str]) -> None:
    async with Installation() as site:
        await validated(site)
        (own,) = site.archive.outcomes(site.twin(TWIN))
        twin: TwinKey = replace(site.twin(TWIN), **other)
        site.archive.record([replace(own, simulation="other", experiment="other", twin=twin)])
        await site.restart()
        await site.advance(10)
        assert validations(site) == 1
