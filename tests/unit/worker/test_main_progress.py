"""Progress of long tasks is logged and noted."""

from __future__ import annotations

import pytest

from twin_operator.worker.main import log_progress


def test_progress_is_logged_in_percent_and_noted_as_a_share(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    noted: list[tuple[str, float]] = []
    log_progress("4f6c", lambda phrase, share: noted.append((phrase, share)))(0.25, "Fold 1 of 4")
    assert "Run 4f6c:  25 %, Fold 1 of 4." in caplog.text
    assert noted == [("Fold 1 of 4", 0.25)]
