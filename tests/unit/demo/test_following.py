"""What is taken from a kubectl that watches, here played by a shell."""

import subprocess
import time
from threading import Thread

from demo.following import Follower, Seen

_WITHIN = 120.0  # seconds: lines come within milliseconds unless the machine is busy


def watching(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)


def until(follower: Follower, count: int) -> list[Seen]:
    deadline, seen = time.monotonic() + _WITHIN, list(follower.take())
    while len(seen) < count and time.monotonic() < deadline:
        seen += follower.take()
    return seen


def test_lines_are_parted_into_fields_and_absent_ones_are_empty() -> None:
    follower = Follower(lambda: watching("echo 'a|Pending'; echo 'b|'; exec sleep 60"))
    listener = Thread(target=follower.listen)
    listener.start()
    assert [seen.fields for seen in until(follower, 2)] == [("a", "Pending"), ("b", "")]
    follower.stop()
    listener.join(_WITHIN)
    assert not listener.is_alive()


def test_a_watch_that_ends_is_begun_again() -> None:
    follower = Follower(lambda: watching("echo a"))
    listener = Thread(target=follower.listen)
    listener.start()
    assert [seen.fields for seen in until(follower, 2)][:2] == [("a",), ("a",)]
    follower.stop()
    listener.join(_WITHIN)
    assert not listener.is_alive()
