"""Under a changing load, killed workers and a killed broker: every question answered once, nothing twice, no flapping.

The length in minutes comes from the environment (SOAK_MINUTES).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.nightly.soak import Soak

SECONDS = 60 * float(os.environ.get("SOAK_MINUTES", "10"))
BESIDE = 600.0  # seconds that a cluster, a model, and what is left at the end may take


@pytest.mark.timeout(SECONDS + BESIDE)
def test_nothing_is_lost_or_done_twice_at_once(
    trained: Platform, redis_restart: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)  # noqa: S311 - the same load each time

    def tell(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)  # noqa: T201 - people wait for long, and the table is what the soak is for

    tell("")
    folder = trained.data / "soak"
    folder.mkdir()
    report = Soak(trained, folder, question, redis_restart, chance, tell).run(SECONDS)
    tell(f"\n{report.table()}")
    assert report.asked == report.succeeded == report.recorded
    assert report.overlaps == 0
    assert report.kills > 0
    assert report.turns <= report.turns_allowed
    assert (report.replicas[0], report.replicas[-1], report.pods_left) == (0, 0, 0)
