"""Since when each TwinModel waits for a person's approval of a retraining."""

from prometheus_client import Gauge

Key = tuple[str, str]


class Approvals:
    """Shows for each model the job that waits longest; nothing for models of which none waits.

    Args:
        gauge: seconds since 1970, with the labels namespace and model.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._waiting: dict[Key, tuple[str, float]] = {}

    def put(self, job: Key, model: str, since: float | None) -> None:
        """Take note of a job (namespace and name); `since` is None unless it waits for a person."""
        self.drop(job)
        if since is not None:
            self._waiting[job] = model, since
            self._show((job[0], model))

    def drop(self, job: Key) -> None:
        """Forget a job."""
        before = self._waiting.pop(job, None)
        if before is not None:
            self._show((job[0], before[0]))

    def _show(self, model: Key) -> None:
        times = [since for job, (name, since) in self._waiting.items() if (job[0], name) == model]
        if times:
            self._gauge.labels(*model).set(min(times))
        else:
            self._gauge.remove(*model)
