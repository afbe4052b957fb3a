"""Figures for monitoring, as the use cases tell them; an adapter shows them."""

from typing import Protocol

from twin_operator.services.tasks import JSON

Key = tuple[str, str]


class Meters(Protocol):
    """What is told; `key` is namespace and name of a TwinModel."""

    def model(self, key: Key, status: JSON, *, faithful: bool) -> None:
        """Show a model's fidelity and retraining as its status has them."""
        ...

    def serving(self, key: Key, version: str) -> None:
        """Show which version serves."""
        ...

    def forget_model(self, key: Key) -> None:
        """Show nothing of a model that is gone."""
        ...

    def job_ended(self, key: Key, trigger: str, result: str) -> None:
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
        """Show how many messages could not be carried out and are kept."""
        ...
