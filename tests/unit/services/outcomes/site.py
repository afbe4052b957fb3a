"""What tests of lost outcomes share: an installation with a twin and graded Simulations, and archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.archive import InMemoryArchive
from tests.fakes.ready_twin import TWIN, install_twin, simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.installation import Installation
    from twin_operator.domain.fidelity.ledger import RecordedOutcome
    from twin_operator.services.runs.run import JSON

KIND = "Simulation"
NUMBERS = range(7)


def outcome(number: int) -> JSON:
    return {"experiment": f"later-{number}", "effect": 1.0 + 0.01 * number, "standardError": 0.1}


async def graded(site: Installation, numbers: range = NUMBERS) -> JSON:
    """Have Simulations answered and graded; return the status of the twin."""
    install_twin(site)
    site.employ()
    for number in numbers:
        site.apply(simulation(f"question-{number}"))
    for number in numbers:
        await site.until_phase(KIND, f"question-{number}", "Succeeded")
    await site.advance(90)  # an outcome is known later than its prediction
    for number in numbers:
        site.patch(KIND, f"question-{number}", {"spec": {"observed": outcome(number)}})
    await site.until(lambda: validations(site) == len(numbers))
    await site.advance(2)
    return site.status("TwinModel", TWIN)


def validations(site: Installation) -> int:
    return int((site.status("TwinModel", TWIN).get("fidelity") or {}).get("validations", 0))


def incomplete(site: Installation) -> JSON:
    return site.condition("TwinModel", TWIN, "OutcomesIncomplete")


def recorded(site: Installation) -> list[RecordedOutcome]:
    return site.archive.outcomes(site.twin(TWIN))


def seen_statuses(site: Installation) -> list[JSON]:
    """Collect the statuses of the twin from now on."""
    statuses: list[JSON] = []
    site.cluster.watch("TwinModel", lambda _type, body: statuses.append(body["status"]))
    return statuses


class Slow(InMemoryArchive):
    """An archive that a test fills page by page: it records only when it may."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self.pages = pages

    def record(self, outcomes: Sequence[RecordedOutcome]) -> dict[str, RecordedOutcome]:
        """Record a page, or do not answer."""
        if not self.pages:
            self.reachable = False
        self.pages -= 1
        return super().record(outcomes)


class Faulty(InMemoryArchive):
    """An archive in which one statement fails until the test has it repaired."""

    def __init__(self, statement: str) -> None:
        super().__init__()
        self.statement = statement

    def record(self, outcomes: Sequence[RecordedOutcome]) -> dict[str, RecordedOutcome]:
        """Record outcomes, or fail."""
        self._fail("record")
        return super().record(outcomes)

    def outcome_count(self, cluster: str) -> int:
        """Count outcomes, or fail."""
        self._fail("outcome_count")
        return super().outcome_count(cluster)

    def _fail(self, statement: str) -> None:
        if statement == self.statement:
            raise RuntimeError("a statement that the database refuses")
