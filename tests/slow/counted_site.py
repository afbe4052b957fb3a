"""A twin on the real adapters, whose runs can be held and stopped at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.slow import held_runs
from tests.slow.counting import Tally
from tests.upgrade.gated_data import GatedData

TWIN = "survey"
JSON = dict[str, Any]


class Moment(StrEnum):
    """Where a training is when it is stopped, and what its worker does then."""

    QUEUED = "queued"
    ENDED = "training, and its worker ends it"
    READ_ON = "training, and its worker has not noticed before it registers"
    COMPARED = "trained, and queued to be compared"


@dataclass(frozen=True)
class Site:
    """The platform with a twin that serves, and the server of its data."""

    platform: Platform
    data: GatedData
    tally: Tally

    def spec(self, file: str = "survey.csv", **changes: Any) -> JSON:
        return experiments.spec(f"{self.data.url}{file}", **changes)

    def make(self, file: str = "survey.csv") -> None:
        """Have the twin trained, or a version of it adopted."""
        self.platform.apply("TwinModel", TWIN, self.spec(file))
        self.platform.until_phase("TwinModel", TWIN, "Ready")

    def delete(self, kind: str, name: str) -> None:
        self.platform.kube.kubectl("delete", kind, name, "-n", self.platform.namespace)

    def uid(self, kind: str, name: str) -> str:
        return str(self.platform.get(kind, name)["metadata"]["uid"])

    def until(self, holds: Callable[[Platform, str], object], run: str) -> None:
        self.platform.kube.until(lambda: holds(self.platform, run))

    def ask(self, name: str, **changes: Any) -> None:
        self.platform.apply("Simulation", name, question(TWIN, **changes))

    def answer(self, name: str) -> JSON:
        return self.platform.until_phase("Simulation", name, "Succeeded")

    def grade(self, name: str, experiment: str) -> None:
        """Ask, and record the outcome."""
        self.ask(name)
        estimate = self.answer(name)["status"]["effect"]["estimate"]
        observed = {"experiment": experiment, "effect": estimate, "standardError": 0.02}
        self.platform.patch("Simulation", name, {"observed": observed})

    def validated(self, simulation: str) -> JSON | None:
        """Return the twin's fidelity once its newest outcome is that of a Simulation."""
        fidelity: JSON = self.platform.get("TwinModel", TWIN)["status"].get("fidelity") or {}
        newest: JSON = next(iter(fidelity.get("recent", ())), {})
        return fidelity if newest.get("simulation") == simulation else None

    def held(self, at: Moment) -> AbstractContextManager[None]:
        """Hold the run that is begun within a block at a moment, until the end of the block."""
        frozen = {Moment.QUEUED: "heavy", Moment.COMPARED: "light"}
        return held_runs.frozen(self.platform, frozen[at]) if at in frozen else self._held_data()

    @contextmanager
    def _held_data(self) -> Iterator[None]:
        self.data.gate.clear()
        try:
            yield
        finally:
            self.data.gate.set()

    def stop(self, run: str, at: Moment, stop: Callable[[], object]) -> None:
        """Stop a run that is held, once it is where it is to be stopped."""
        reached = held_runs.is_queued if at in {Moment.QUEUED, Moment.COMPARED} else held_runs.is_leased
        self.until(lambda *one: reached(*one) or held_runs.is_stopped(*one), run)  # a deadline may be over before
        stop()
        self.until(held_runs.is_stopped, run)
        if at is Moment.ENDED:
            self.until(lambda *one: not held_runs.is_leased(*one), run)

    def stop_training(self, at: Moment, stop: Callable[[], object]) -> None:
        """Stop the training of the twin that is begun and held."""
        uid = self.uid("TwinModel", TWIN)
        run = self.platform.kube.until(lambda: held_runs.run_of_object(self.platform, uid))
        self.stop(run, at, stop)
