"""The end of the operator's process at any call of a port.

`CrashPlan` counts the calls of the ports of an installation and ends the process at one of them; `Crashing` is the
proxy that a port gets. `every_crash` in `tests.fakes.every_crash` plays a scenario once for every call.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")
Guarded = Callable[..., Any]
ENDLESS: Final = frozenset({"follow"})
"""Calls that return only when they are cancelled; a crash after one of these comes when it has begun."""


class Crash(BaseException):
    """The process is gone. Not an Exception: no retry of the operator may catch it."""


class Moment(StrEnum):
    """When, seen from the call, the process ends."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class CrashPlan:
    """Counts calls of ports, and ends the process at one of them.

    Args:
        at: number of the call, from 1; None: never.
        moment: before the call has an effect, or after it had one and before its caller knows.
        ports: those whose calls count, by name in `OperatorPorts`; the others' do not. None: all.
        calls: names of the calls so far, in order, such as `queue.publish`.
        dead: whether the process has ended.
    """

    at: int | None = None
    moment: Moment = Moment.BEFORE
    ports: Collection[str] | None = None
    calls: list[str] = field(default_factory=list)
    dead: bool = False

    def wrap(self, name: str, port: T) -> T:
        """Return a port (an object or a function) as the process sees it."""
        counted = self.ports is None or name in self.ports
        if inspect.iscoroutinefunction(port) or inspect.isfunction(port) or inspect.ismethod(port):
            return cast("T", _guarded(self, name, port, counted=counted))
        return cast("T", Crashing(self, name, port, counted=counted))

    def enter(self, call: str, *, counted: bool) -> int:
        """Count a call and return its number; raise `Crash` where the process ends before it, or has ended."""
        self.refuse_the_dead()
        if not counted:
            return 0
        self.calls.append(call)
        number = len(self.calls)
        if number == self.at and self.moment is Moment.BEFORE:
            self._die()
        return number

    def leave(self, number: int) -> None:
        """Raise `Crash` where the process ends after the call with this number, or has ended meanwhile."""
        self.refuse_the_dead()
        if self.ends_after(number):
            self._die()

    def ends_after(self, number: int) -> bool:
        """Whether the process ends after the call with this number."""
        return number == self.at and self.moment is Moment.AFTER

    def refuse_the_dead(self) -> None:
        """Raise `Crash` where the process has ended: its coroutines may run on for a moment, without effect."""
        if self.dead:
            raise Crash

    def _die(self) -> None:
        self.dead = True
        raise Crash(self.calls[-1])


class Crashing:
    """A proxy of a port: each call is counted, and may be the last of the process.

    Args:
        plan: counts.
        name: of the port.
        port: what is called.
        counted: whether its calls count.
    """

    def __init__(self, plan: CrashPlan, name: str, port: object, *, counted: bool = True) -> None:
        self._plan, self._name, self._port, self._counted = plan, name, port, counted

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._port, attribute)
        if not callable(value):
            return value
        return _guarded(self._plan, f"{self._name}.{attribute}", value, counted=self._counted)


def _guarded(plan: CrashPlan, call: str, function: Callable[..., Any], *, counted: bool) -> Guarded:
    if inspect.isasyncgenfunction(function):
        return _guarded_iteration(plan, call, function, counted=counted)
    if call.rpartition(".")[2] in ENDLESS:
        return _guarded_endless(plan, call, function, counted=counted)
    if inspect.iscoroutinefunction(function):
        return _guarded_coroutine(plan, call, function, counted=counted)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        number = plan.enter(call, counted=counted)
        result = function(*args, **kwargs)
        plan.leave(number)
        return result

    return guarded


def _guarded_coroutine(plan: CrashPlan, call: str, function: Callable[..., Any], *, counted: bool) -> Guarded:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        number = plan.enter(call, counted=counted)
        try:
            return await function(*args, **kwargs)
        finally:
            plan.leave(number)

    return guarded


def _guarded_iteration(plan: CrashPlan, call: str, function: Callable[..., Any], *, counted: bool) -> Guarded:
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        number = plan.enter(call, counted=counted)
        async for item in function(*args, **kwargs):
            plan.refuse_the_dead()
            yield item
        plan.leave(number)

    return guarded


def _guarded_endless(plan: CrashPlan, call: str, function: Callable[..., Any], *, counted: bool) -> Guarded:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        number = plan.enter(call, counted=counted)
        if not plan.ends_after(number):
            return await function(*args, **kwargs)
        running = asyncio.ensure_future(function(*args, **kwargs))
        await asyncio.sleep(0)
        running.cancel()
        return plan.leave(number)

    return guarded
