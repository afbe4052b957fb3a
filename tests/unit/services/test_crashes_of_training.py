"""The operator ends at any call of a port while a twin is trained and retrained: the end is as without a crash."""

import pytest

from tests.fakes.every_crash import every_crash
from tests.fakes.installation import Installation
from tests.unit.services.letters import MODEL, QUEUES, REGISTERED, Workers, job, twin_model, version

pytestmark = pytest.mark.looptime
TOLD = ("queue", "resources", "versions", "archive")
"""Ports that a training or a retraining is carried out by; the others' calls come from timers."""


async def training(site: Installation) -> None:
    """Train a twin."""
    site.apply(twin_model(retraining={"suspend": True}))
    site.employ(Workers(site), QUEUES)
    await site.until_phase(*MODEL, "Ready")
    assert site.registry.versions(REGISTERED) == ["1"]
    site.queue.flush()  # what Redis forgets now must not be asked for again


async def retraining(site: Installation) -> None:
    """Train a twin, retrain it by a job, and promote the candidate."""
    site.apply(twin_model(retraining={"suspend": False, "cooldown": "24h"}))
    site.employ(Workers(site), QUEUES)
    await site.until_phase(*MODEL, "Ready")
    uid = site.apply(job(approval={"approved": True, "by": "jane"}))["metadata"]["uid"]
    await site.until_phase("RetrainingJob", "again", "Completed")
    await site.until(lambda: uid in site.archive.retrainings)
    await site.until(lambda: (site.status(*MODEL).get("data") or {}).get("modelVersion") == "2")
    assert version(site) == "2"
    assert site.registry.versions(REGISTERED) == ["1", "2"]
    assert site.registry.champion_version(REGISTERED) == "2"
    site.queue.flush()


async def test_a_crash_at_any_call_of_a_training_changes_nothing() -> None:
    await every_crash(training, TOLD)


@pytest.mark.slow
async def test_a_crash_at_any_call_of_a_retraining_changes_nothing() -> None:
    await every_crash(retraining, TOLD)
