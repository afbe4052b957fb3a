"""An executor without threads: what is submitted runs at once, in the caller."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InlineExecutor(ThreadPoolExecutor):
    """Runs `asyncio.to_thread` inline, so that no thread races with virtual time.

    asyncio takes only a ThreadPoolExecutor as the default of a loop; its threads are never started.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` now; return a future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - the end of a simulated process has to reach the caller as well
            future.set_exception(error)
        return future
