"""The archive has the answers as the statuses have them: what was written, not what could be computed again."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.unit.services.archive.questions import as_written, ask

pytestmark = pytest.mark.looptime
ANSWERS: Final = 1_000


@pytest.mark.parametrize("count", [150, pytest.param(ANSWERS, marks=pytest.mark.learner)])
async def test_the_archive_has_the_answers_as_they_were_written(count: int) -> None:
    async with Installation() as site:
        bodies = await ask(site, count)
        uids = {body["metadata"]["uid"] for body in bodies}
        await site.until(lambda: site.archive.known(uids) == uids)
        rows = site.archive.simulations
        for body in bodies:
            row, status = rows[body["metadata"]["uid"]], body["status"]
            assert row["answer"] == as_written(status)
            assert (row["phase"], row["action"]) == (status["phase"], status.get("recommendation", {}).get("action"))
        _assert_of_every_kind([body["status"] for body in bodies])


def _assert_of_every_kind(statuses: list[dict[str, Any]]) -> None:
    """Fail where the questions had too few kinds of answers for the comparison to mean something."""
    reasons = Counter(c["reason"] for status in statuses for c in status["conditions"])
    advice = Counter(s["recommendation"]["reason"] for s in statuses if "recommendation" in s)
    assert {"Succeeded", "UnknownArm", "UnknownLevel", "UnknownFeature", "EmptyPopulation"} <= reasons.keys()
    assert {"BackoffLimitExceeded", "ChecksPassed", "DataWarning", "AssignmentNotRandom"} <= reasons.keys()
    assert {"BenefitLikely", "BenefitUnlikely", "TooFewUnits", "Inconclusive"} <= advice.keys()
    assert {"AssignmentNotRandom", "TwinNotFaithful"} <= advice.keys()
