"""Versions, promotions, archive rows and outcomes are counted after every kind of stop, deletion and re-creation.

MLflow also has models of others, which must not change. Every moment of a run is tried on the in-memory adapters
(`tests/unit/services/test_stops.py`); these are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.platform_fixture import Platform
from tests.slow import foreign_models, held_runs
from tests.slow.counted_site import TWIN, Moment, Site
from tests.slow.counting import Change, Tally
from tests.upgrade.gated_data import GatedData, serving

EFFECT = 0.15
FOREIGN = ("churn.counted-scores", "counts.other")
"""One with a name of its own, and one with the name that a TwinModel of the namespace would have."""
DEADLINE_SECONDS = 5  # a worker claims a training within one


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedData]:
    folder = tmp_path_factory.mktemp("served")
    for seed, file in enumerate(("survey.csv", "other.csv"), 1):
        experiments.write(folder / file, experiments.rows(["first"], EFFECT, seed))
    with serving(folder) as served:
        yield served


@pytest.fixture(scope="module")
def readable(data: GatedData) -> tuple[str, ...]:
    return (data.url,)


@pytest.fixture(scope="module")
def counted(platform: Platform, data: GatedData) -> Iterator[Site]:
    """The site with a version, an outcome, and models of others; afterwards the table is printed."""
    for name in FOREIGN:
        foreign_models.register(platform.mlflow_url, name)
    site = Site(platform, data, Tally(platform, TWIN, FOREIGN))
    site.make()
    with site.tally.expecting("none", "an outcome comes", Change(simulations=1, outcomes=1)):
        site.grade("first", "later-0")
    yield site
    print(f"\n{site.tally.table()}")  # noqa: T201 - read in the output of pytest
    site.tally.check()


@pytest.fixture
def site(counted: Site) -> Site:
    """The site with the twin, which a test may have deleted."""
    counted.make()
    return counted


# RetrainingJobs.


def cancel(site: Site, job: str) -> None:
    site.platform.patch("RetrainingJob", job, {"cancel": True})
    site.platform.until_phase("RetrainingJob", job, "Cancelled")


def delete_job(site: Site, job: str) -> None:
    site.delete("retrainingjob", job)


def pass_deadline(site: Site, job: str) -> None:
    site.platform.until_phase("RetrainingJob", job, "Failed")


def delete_model(site: Site, job: str) -> None:
    site.delete("twinmodel", TWIN)
    site.platform.until_phase("RetrainingJob", job, "Failed")


def suspend_model(site: Site, job: str) -> None:
    site.platform.patch("TwinModel", TWIN, {"suspend": True})
    site.platform.until_condition("RetrainingJob", job, "Reconciling", "ModelSuspended")


StopOfJob = Callable[[Site, str], None]
ROWS: dict[StopOfJob, int] = {cancel: 1, delete_job: 0, pass_deadline: 1, delete_model: 1}
"""How many rows the archive has of a job that was stopped so."""


def job_of(stop: StopOfJob, at: Moment) -> str:
    return f"{stop.__name__}-{at.name}".replace("_", "-").lower()


def stop_job(site: Site, at: Moment, stop: StopOfJob) -> None:
    """Stop a job at a moment, and have it go on from there."""
    job = job_of(stop, at)
    approved = {"approval": {"approved": True, "by": "jane"}, "overrideCooldown": True}
    limit = {"activeDeadlineSeconds": DEADLINE_SECONDS} if stop is pass_deadline else {}
    step = f"against-{site.platform.champion(TWIN)}" if at is Moment.COMPARED else "train"
    with site.held(at):
        site.platform.apply("RetrainingJob", job, {"modelRef": {"name": TWIN}, **approved, **limit})
        site.stop(f"{site.uid('RetrainingJob', job)}-{step}", at, lambda: stop(site, job))


@pytest.mark.parametrize("at", [Moment.QUEUED, Moment.ENDED, Moment.READ_ON])
@pytest.mark.parametrize("stop", ROWS)
def test_a_job_that_is_stopped_registers_and_promotes_nothing(site: Site, stop: StopOfJob, at: Moment) -> None:
    with site.tally.expecting(f"RetrainingJob: {stop.__name__}", at, Change(retrainings=ROWS[stop])):
        stop_job(site, at, stop)
        site.make()


@pytest.mark.parametrize("stop", [cancel, delete_job])
def test_a_candidate_whose_job_is_stopped_is_not_promoted(site: Site, stop: StopOfJob) -> None:
    change = Change(versions=1, retrainings=ROWS[stop])
    with site.tally.expecting(f"RetrainingJob: {stop.__name__}", Moment.COMPARED, change):
        stop_job(site, Moment.COMPARED, stop)


@pytest.mark.parametrize("stop", [cancel, delete_job])
def test_a_job_that_is_stopped_before_it_is_approved_trains_nothing(site: Site, stop: StopOfJob) -> None:
    job = f"{stop.__name__}-unapproved".replace("_", "-")
    with site.tally.expecting(f"RetrainingJob: {stop.__name__}", "not approved", Change(retrainings=ROWS[stop])):
        site.platform.apply("RetrainingJob", job, {"modelRef": {"name": TWIN}, "overrideCooldown": True})
        site.platform.until_phase("RetrainingJob", job, "AwaitingApproval")
        stop(site, job)


@pytest.mark.parametrize("at", [Moment.QUEUED, Moment.ENDED])
def test_a_job_whose_model_is_suspended_is_promoted_once_when_that_goes_on(site: Site, at: Moment) -> None:
    with site.tally.expecting("RetrainingJob: suspend_model", at):
        stop_job(site, at, suspend_model)
    with site.tally.expecting("RetrainingJob: resume_model", at, Change(versions=1, promoted=True, retrainings=1)):
        site.platform.patch("TwinModel", TWIN, {"suspend": False})
        site.platform.until_phase("RetrainingJob", job_of(suspend_model, at), "Completed")


# Trainings of a TwinModel.


@pytest.mark.parametrize("at", [Moment.QUEUED, Moment.ENDED, Moment.READ_ON])
def test_a_model_that_is_deleted_while_it_trains_registers_nothing(site: Site, at: Moment) -> None:
    site.delete("twinmodel", TWIN)
    with site.tally.expecting("TwinModel: delete", at), site.held(at):
        site.platform.apply("TwinModel", TWIN, site.spec("other.csv"))
        site.stop_training(at, lambda: site.delete("twinmodel", TWIN))


def test_a_model_that_is_suspended_while_it_trains_registers_nothing(site: Site) -> None:
    site.delete("twinmodel", TWIN)
    with site.tally.expecting("TwinModel: suspend", Moment.READ_ON), site.held(Moment.READ_ON):
        site.platform.apply("TwinModel", TWIN, site.spec("other.csv"))
        site.stop_training(Moment.READ_ON, lambda: site.platform.patch("TwinModel", TWIN, {"suspend": True}))
    site.delete("twinmodel", TWIN)


@pytest.mark.parametrize("at", [Moment.ENDED, Moment.READ_ON])
def test_a_model_whose_change_is_taken_back_while_it_trains_keeps_its_version(site: Site, at: Moment) -> None:
    columns = site.spec()["columns"]
    with site.tally.expecting("TwinModel: change and take back", at), site.held(at):
        site.platform.patch("TwinModel", TWIN, {"columns": {**columns, "features": columns["features"][:1]}})
        site.stop_training(at, site.make)


def test_a_model_that_is_made_again_from_the_same_data_adopts_its_version_and_its_history(site: Site) -> None:
    with site.tally.expecting("none", "an outcome comes", Change(simulations=1, outcomes=1)):
        site.grade("kept", "later-1")
    history = site.platform.kube.until(lambda: site.validated("kept"))
    with site.tally.expecting("TwinModel: make again", "from the same data"):
        site.delete("twinmodel", TWIN)
        site.make()
    assert site.platform.kube.until(lambda: site.validated("kept")) == history


def test_a_model_that_is_made_again_from_other_data_is_trained_and_promoted_once(site: Site) -> None:
    for file in ("other.csv", "survey.csv"):
        with site.tally.expecting("TwinModel: make again", f"from {file}", Change(versions=1, promoted=True)):
            site.delete("twinmodel", TWIN)
            site.make(file)


def test_a_name_that_others_have_in_mlflow_is_refused(site: Site) -> None:
    with site.tally.expecting("TwinModel: of a name of others", "trains nothing"):
        site.platform.apply("TwinModel", "other", site.spec())
        site.platform.until_condition("TwinModel", "other", "Stalled", "RegisteredModelTaken")
        site.delete("twinmodel", "other")


# Simulations.


@contextmanager
def queued_simulation(site: Site, name: str, **changes: Any) -> Iterator[None]:
    """A Simulation that stays in its queue until the end of the block."""
    with held_runs.frozen(site.platform, "light"):
        site.ask(name, **changes)
        site.until(held_runs.is_queued, site.uid("Simulation", name))
        yield


def test_a_simulation_that_is_suspended_while_queued_is_answered_once_when_it_goes_on(site: Site) -> None:
    with site.tally.expecting("Simulation: suspend", "queued"), queued_simulation(site, "suspended"):
        site.platform.patch("Simulation", "suspended", {"suspend": True})
        site.platform.until_phase("Simulation", "suspended", "Suspended")
    with site.tally.expecting("Simulation: resume", "after its message was refused", Change(simulations=1)):
        site.platform.patch("Simulation", "suspended", {"suspend": False})
        site.answer("suspended")


def test_a_simulation_that_is_deleted_while_queued_is_answered_once_when_it_is_made_again(site: Site) -> None:
    with site.tally.expecting("Simulation: delete", "queued"), queued_simulation(site, "deleted"):
        uid = site.uid("Simulation", "deleted")
        site.delete("simulation", "deleted")
        site.until(held_runs.is_stopped, uid)
    with site.tally.expecting("Simulation: make again", "after its message was refused", Change(simulations=1)):
        site.ask("deleted")
        site.answer("deleted")


def test_a_simulation_whose_deadline_passes_while_queued_is_archived_once_and_again_when_it_is_made_again(
    site: Site,
) -> None:
    limit = {"activeDeadlineSeconds": 1}
    with (
        site.tally.expecting("Simulation: pass deadline", "queued", Change(simulations=1)),
        queued_simulation(site, "late", **limit),
    ):
        site.platform.until_phase("Simulation", "late", "Failed")
    with site.tally.expecting("Simulation: make again", "after its deadline", Change(simulations=1)):
        site.delete("simulation", "late")
        site.ask("late")
        site.answer("late")


def test_a_simulation_whose_model_is_deleted_while_it_is_queued_is_answered_once(site: Site) -> None:
    with site.tally.expecting("TwinModel: delete and make again", "Simulation queued", Change(simulations=1)):
        with queued_simulation(site, "orphan"):
            site.delete("twinmodel", TWIN)
        site.make()
        site.answer("orphan")


def test_a_simulation_that_is_deleted_after_its_outcome_stays_in_the_archive_with_it(site: Site) -> None:
    with site.tally.expecting("none", "an outcome comes", Change(simulations=1, outcomes=1)):
        site.grade("second", "later-2")
    with site.tally.expecting("Simulation: delete", "answered, with an outcome"):
        site.delete("simulation", "second")
