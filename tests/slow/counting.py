"""What MLflow and the archive have of one twin, and MLflow of the models of others, counted before and after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlflow import MlflowClient
from sqlalchemy import Table, create_engine, func, select

from tests.integration.journey.platform_fixture import Platform
from tests.slow import foreign_models, held_runs
from twin_operator.adapters.mlflow_registry.registry import EXPERIMENT
from twin_operator.adapters.sql_archive.schema import OUTCOMES, RETRAININGS, SIMULATIONS


class Change(NamedTuple):
    """By how much counts change, and whether the last version is promoted."""

    versions: int = 0
    promoted: bool = False
    simulations: int = 0
    retrainings: int = 0
    outcomes: int = 0


class Counts(NamedTuple):
    """What there is of the twin.

    Attributes:
        versions: registered ones, oldest first.
        champion: the one that is active.
        runs: of MLflow, not deleted, that a version was registered from.
        simulations, retrainings, outcomes: rows of the archive.
    """

    versions: tuple[str, ...]
    champion: str
    runs: int
    simulations: int
    retrainings: int
    outcomes: int

    def after(self, change: Change) -> Counts:
        """Return the counts after a change; numbers of versions are not given again."""
        last = int(self.versions[-1])
        versions = (*self.versions, *(str(last + 1 + number) for number in range(change.versions)))
        return Counts(
            versions,
            versions[-1] if change.promoted else self.champion,
            self.runs + change.versions,
            self.simulations + change.simulations,
            self.retrainings + change.retrainings,
            self.outcomes + change.outcomes,
        )

    def rows_reach(self, other: Counts) -> bool:
        """Whether the archive has at least as many rows of each kind as in `other`."""
        return all(mine >= wanted for mine, wanted in zip(self[3:], other[3:], strict=True))


@dataclass
class Tally:
    """Counts of a twin after each stop.

    Args:
        platform: on which the twin is.
        twin: its name.
        others: registered models of others.
    """

    platform: Platform
    twin: str
    others: tuple[str, ...]
    _lines: list[tuple[str, str, Counts]] = field(default_factory=list)

    @contextmanager
    def expecting(self, stop: str, moment: str, change: Change = Change()) -> Iterator[None]:  # noqa: B008 - immutable
        """Compare what there is before and after the block, once no message and no lease is left of it."""
        expected, others, registered = self.counts().after(change), self._others(), self._registered()
        yield
        self.platform.kube.until(lambda: held_runs.nothing_runs(self.platform))
        self.platform.kube.until(lambda: self.counts().rows_reach(expected))
        self._lines.append((stop, moment, self.counts()))
        assert self.counts() == expected, f"{stop}, {moment}"
        assert self._others() == others
        if not change.promoted:  # which leaves a tag at the version before
            assert {version: self._registered()[version] for version in registered} == registered

    def check(self) -> None:
        """See that nothing has come after the last stop was counted."""
        assert self.counts() == self._lines[-1][-1]

    def table(self) -> str:
        """Return a line for each stop, in their order."""
        lines: list[tuple[str, ...]] = [("kind of stop", "moment", *Counts._fields)]
        lines += [(stop, moment, *map(_shown, counts)) for stop, moment, counts in self._lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def counts(self) -> Counts:
        """Count now."""
        versions = tuple(self.platform.versions(self.twin))
        champion = self.platform.champion(self.twin)
        simulations, retrainings, outcomes = map(self._rows, (SIMULATIONS, RETRAININGS, OUTCOMES))
        return Counts(versions, champion, len(self._runs()), simulations, retrainings, outcomes)

    def _rows(self, table: Table) -> int:
        engine = create_engine(self.platform.archive_url)
        with engine.connect() as connection:
            rows = connection.scalar(select(func.count()).where(table.c.model == self.twin))
        engine.dispose()
        return int(rows or 0)

    def _runs(self) -> set[str]:
        client = MlflowClient(self.platform.mlflow_url, self.platform.mlflow_url)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        made_by = {str(each.run_id) for each in client.search_model_versions(f"name = '{self._name}'")}
        return made_by & {run.info.run_id for run in client.search_runs([experiment.experiment_id])}

    def _registered(self) -> dict[str, Any]:
        versions: dict[str, Any] = foreign_models.content(self.platform.mlflow_url, self._name)["versions"]
        return versions

    def _others(self) -> list[dict[str, Any]]:
        return [foreign_models.content(self.platform.mlflow_url, name) for name in self.others]

    @property
    def _name(self) -> str:
        return f"{self.platform.namespace}.{self.twin}"


def _shown(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
