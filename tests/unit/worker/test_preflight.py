"""A worker starts when its settings are safe, also while Redis is away."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings
from twin_operator.worker.preflight import preflight

NOWHERE = "redis://127.0.0.1:1/0"  # nothing listens on port 1: a connection is refused at once


def check(queues: str = "trials, simulations", concurrency: int = 1, **settings: Any) -> tuple[str, ...]:
    return preflight(Settings(redis_url=NOWHERE, **settings), queues, concurrency)


def test_a_safe_worker_serves_its_queues_although_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    assert check() == ("trials", "simulations")
    assert "does not tell its maxmemory-policy" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"queues": "Trials"}, "'Trials' is no name"),
        ({"concurrency": 65}, "Set --concurrency to at most 64"),
        ({"celery_overrides": {"task_acks_late": False}}, "Set task_acks_late to true"),
        ({"signing_key_previous": "k" * 32}, "Set TWINOPS_SIGNING_KEY besides TWINOPS_SIGNING_KEY_PREVIOUS"),
    ],
)
def test_an_unsafe_worker_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unsafe, match=sentence):
        check(**arguments)
