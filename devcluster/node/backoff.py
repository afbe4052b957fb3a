"""Whether and when a container that has ended runs again: pure."""

from __future__ import annotations

# A kubelet begins at 10 s and ends at 300 s, which is long to wait at a desk; these are the values
# of its own gentler curve (KEP-4603).
FIRST = 1.0  # seconds
LONGEST = 60.0  # seconds
FORGIVEN_AFTER = 600.0  # seconds of running after which earlier crashes are forgotten


class Backoff:
    """The pauses between the runs of one container: none at first, then doubling."""

    def __init__(self) -> None:
        self._next = 0.0

    def pause(self, ran: float) -> float:
        """Give the seconds to wait after a run of `ran` seconds."""
        if ran >= FORGIVEN_AFTER:
            self._next = 0.0
        now, self._next = self._next, min(LONGEST, max(FIRST, 2 * self._next))
        return now


def runs_again(policy: str, exit_code: int) -> bool:
    """Whether a restart policy starts a container again after this exit code."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
