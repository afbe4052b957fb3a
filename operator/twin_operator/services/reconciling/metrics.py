"""What the use cases report for monitoring; adapters turn it into metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, TwinFidelity


@dataclass(frozen=True)
class EndedSimulation:
    """How one ended and what it took.

    Attributes:
        phase: Succeeded or Failed.
        reason: of its condition Ready.
        duration: seconds from creation to the answer in the API server.
        queue: where its task waited.
        wait: seconds from queueing to the start of the last attempt; None where none was started.
        recommendation: action and reason, where one was given.
    """

    namespace: str
    phase: str
    reason: str
    duration: float
    queue: str
    wait: float | None
    recommendation: tuple[str, str] | None


POLL_SECONDS = 1.0  # between two requests: so long workers wait for their scripts after a restart of Redis
PATIENCE_SECONDS = 3.0  # for an answer that takes a millisecond
Key = tuple[str, str]


class Meters(Protocol):
    """Metrics of models, retraining and the archive; `key` is namespace and name of a TwinModel."""

    def model(self, key: Key, fidelity: TwinFidelity | None, retraining: RetrainingState, *, faithful: bool) -> None:
        """Show a model's fidelity, where it is known, and its retraining."""
        ...

    def serving(self, key: Key, version: str) -> None:
        """Show which version is active."""
        ...

    def forget_model(self, key: Key) -> None:
        """Show nothing of a model that is gone."""
        ...

    def model_phase(self, key: Key, phase: str) -> None:
        """Show in which phase a model is."""
        ...

    def trained(self, key: Key, reason: str) -> None:
        """Count a first training that ended: Succeeded, or why not."""
        ...

    def job(self, job: Key, model: str, phase: RetrainingJobPhase, waits_since: float | None) -> None:
        """Show in which phase a RetrainingJob is, and since when it waits for approval, where it does."""
        ...

    def forget_job(self, job: Key) -> None:
        """Count a RetrainingJob that is gone no more."""
        ...

    def job_ended(self, key: Key, trigger: Trigger, result: str) -> None:
        """Count a RetrainingJob that ended."""
        ...

    def outcome_graded(self, key: Key, grade: str) -> None:
        """Count an outcome."""
        ...

    def archive(self, *, reachable: bool) -> None:
        """Show whether the archive answers."""
        ...

    def archive_waiting(self, entries: int) -> None:
        """Show how many entries wait for the archive."""
        ...

    def outcomes_waiting(self, outcomes: int) -> None:
        """Show how many outcomes wait to be graded."""
        ...

    def dead_letters(self, messages: int) -> None:
        """Show how many messages could not be processed and are kept."""
        ...


class SimulationMeters(Protocol):
    """Metrics of Simulations."""

    def finished(self, ended: EndedSimulation) -> None:
        """Count a Simulation that ended, and what it took."""
        ...

    def published(self, messages: int) -> None:
        """Count messages."""
        ...

    def republished(self) -> None:
        """Count a message that was lost."""
        ...


class ProcessMeters(Protocol):
    """Metrics of the operator's process."""

    def leading(self, *, leads: bool) -> None:
        """Show whether this process leads."""
        ...

    def redis(self, *, reachable: bool) -> None:
        """Show whether Redis answers."""
        ...

    def reconciled(self, kind: str, seconds: float, *, failed: bool) -> None:
        """Count a reconciliation."""
        ...


@dataclass
class BrokerWatch:
    """Keeps Redis fit for workers, and shows whether it answers.

    Args:
        keep: loads what Redis forgot, and removes what hinders workers; raises or takes long when there is no answer.
        meters: shows it.
    """

    keep: Callable[[], Awaitable[object]]
    meters: ProcessMeters

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self.meters.redis(reachable=await self._answers())
            await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.keep()
        except Exception:  # noqa: BLE001 - whatever went wrong: there was no answer
            return False
        return True
