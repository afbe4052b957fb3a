"""A real worker and strangers at its queues: what is not sound becomes a dead letter, and the worker goes on."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from devcluster.layout import free_ports
from tests.integration import redis_users
from tests.unit.adapters.messages import KEY, OTHER_KEY, body_of, changed, task, without, written
from twin_operator.adapters.redis_queue.keys import queue_key
from twin_operator.adapters.redis_queue.message import SIGNATURE_HEADER, SignedFields, Signing
from twin_operator.services.runs.run import Task

COMMAND = str(Path(sys.executable).with_name("twin-operator"))
WITHIN = 240.0  # seconds: a worker imports for some of them, and for many on a busy machine
PRIORITY = 4  # of a task that names none, as kombu counts
UNACKED = "twinops:unacked"


def until(look: Callable[[], Any], what: str) -> Any:
    """Wait until `look` returns something true, and return it."""
    deadline = time.monotonic() + WITHIN
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN:g} s"
        time.sleep(0.1)
    return found


@dataclass
class Site:
    """A Redis, a worker of two queues on it, and the commands of an administrator; each has the rights of its user.

    Attributes:
        operator: address of the Redis for the commands.
    """

    redis: Redis
    operator: str
    environment: dict[str, str]
    log: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        queues = arguments or ("--queues", "simulations,trials")
        with self.log.open("ab") as output:
            worker = subprocess.Popen(
                [COMMAND, "worker", *queues], env={**self.environment, **environment}, stdout=output, stderr=output
            )
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(WITHIN)
        self.workers.clear()

    def send(self, message: bytes, queue: str = "simulations") -> None:
        self.redis.lpush(queue_key(queue, PRIORITY), message)

    def letters(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.command("list", "-o", "json").stdout)
        return rows

    def letter(self, entry: str) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self.command("show", entry).stdout)
        return row

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "dead-letters", *arguments],
            env={**self.environment, "TWINOPS_REDIS_URL": self.operator, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def newest(self) -> dict[bytes, bytes]:
        """Return the fields of the only entry, when it is there."""
        answer: Any = until(lambda: self.redis.xrevrange("twinops:dead-letters", count=1), "a dead letter")
        return dict(answer[0][1])

    def works(self) -> bool:
        """Whether a sound message is taken up: its payload is no question, which counts as an attempt."""
        work = task(run=os.urandom(8).hex())
        self.send(written(work))
        until(lambda: self.redis.hget(f"twinops:run:{work.run}", "error"), "an attempt")
        return self.redis.hlen(UNACKED) == 0 or bool(until(lambda: self.redis.hlen(UNACKED) == 0, "an acknowledgement"))

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.environment['TWINOPS_METRICS_PORT']}/metrics") as page:
            text: str = page.read().decode()
        return text


@pytest.fixture(scope="module")
def site(guarded_redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("worker")
    environment = {
        **os.environ,
        "TWINOPS_REDIS_URL": redis_users.address(guarded_redis, "worker"),
        "TWINOPS_SIGNING_KEY": KEY.decode(),
        "TWINOPS_BANK_DIRECTORY": str(folder),
        "TWINOPS_METRICS_PORT": str(free_ports(1)[0]),
        "TWINOPS_IDENTITY": "worker-1",
        "TWINOPS_LOG_FORMAT": "text",
    }
    redis = Redis.from_url(redis_users.address(guarded_redis, "admin"))
    redis.flushall()
    redis_users.forget_refusals(guarded_redis)
    site = Site(redis, redis_users.address(guarded_redis, "operator"), environment, folder / "worker.log")
    site.start()
    try:
        assert site.works()
        yield site
    finally:
        site.stop()
        redis.close()
    assert redis_users.refusals(guarded_redis) == []


@pytest.fixture(autouse=True)
def empty(site: Site) -> None:
    site.redis.delete("twinops:dead-letters")


def signed(body: bytes, task_name: str) -> bytes:
    message = changed(changed(written(), "body", value=body_of(body)), "headers", "task", value=task_name)
    signature = Signing(KEY).sign(SignedFields("run-1", task_name, 0, "simulations", body), int(time.time()))
    return changed(message, "headers", SIGNATURE_HEADER, value=signature)


STRANGE = {
    "garbage": (b"{{{ no JSON", "Undecodable"),
    "no envelope of a message": (without(written(), "properties"), "NotATask"),
    "a body that is not base64": (changed(written(), "body", value="?!"), "Undecodable"),
    "pickle": (
        changed(
            changed(written(), "content-type", value="application/x-python-serialize"),
            "body",
            value=body_of(pickle.dumps([[], {}, {}])),
        ),
        "ContentType",
    ),
    "unsigned": (written(key=None), "Unsigned"),
    "forged": (written(key=OTHER_KEY), "Forged"),
    "an altered body": (changed(written(), "body", value=json.loads(written(task("run-2")))["body"]), "Forged"),
    "an altered id": (changed(written(), "headers", "id", value="run-2"), "Forged"),
    "another queue's": (written(task(queue="trials")), "Forged"),
    "a task that nobody knows": (signed(b"[[{}], {}, {}]", "twinops.format"), "UnknownTask"),
    "a body that is no task": (signed(b'["x"]', "twinops.simulate"), "NotATask"),
}


@pytest.mark.parametrize(("message", "reason"), STRANGE.values(), ids=STRANGE)
def test_what_is_not_sound_becomes_a_dead_letter_and_the_worker_goes_on(
    site: Site, message: bytes, reason: str
) -> None:
    site.send(message)
    letter = site.newest()
    assert (letter[b"reason"].decode(), letter[b"queue"], letter[b"worker"]) == (reason, b"simulations", b"worker-1")
    assert letter[b"message"] == message
    assert site.works()
    assert site.redis.xlen("twinops:dead-letters") == 1
    assert f'twinops_dead_letters_total{{reason="{reason}"}}' in site.metrics()


def test_a_run_without_an_attempt_left_becomes_a_dead_letter(site: Site) -> None:
    work = Task("exhausted", task().kind, "simulations", task("exhausted").target, 1, {"spec": {}})
    for _ in range(2):
        site.send(written(work))
    letter = site.newest()
    assert (letter[b"reason"], letter[b"run"]) == (b"Exhausted", b"exhausted")
    until(lambda: site.redis.hlen(UNACKED) == 0, "an acknowledgement")
    assert 'twinops_dead_letters_total{reason="Exhausted"} 1.0' in site.metrics()


def test_a_message_that_comes_back_is_still_signed(site: Site) -> None:
    # As kombu leaves it when a worker was killed: unacknowledged for longer than the visibility timeout.
    message = json.loads(written(task("come-back")))
    site.redis.hset(UNACKED, "tag", json.dumps([message, "", "simulations"]))
    site.redis.zadd("twinops:unacked_index", {"tag": time.time() - 60})
    until(lambda: site.redis.hget("twinops:run:come-back", "error"), "an attempt of the message that came back")
    assert site.redis.xlen("twinops:dead-letters") == 0


def test_a_message_that_was_moved_while_unacknowledged_is_turned_away(site: Site) -> None:
    message = json.loads(written(task("moved")))
    site.redis.hset(UNACKED, "tag", json.dumps([message, "", "trials"]))
    site.redis.zadd("twinops:unacked_index", {"tag": time.time() - 60})
    assert site.newest()[b"reason"] == b"Forged"


def test_a_delivered_message_that_cannot_be_read_does_not_keep_others_from_coming_back(site: Site) -> None:
    message = json.loads(written(task("behind-nonsense")))
    site.redis.hset(UNACKED, mapping={"bad": "nonsense", "tag": json.dumps([message, "", "simulations"])})
    site.redis.zadd("twinops:unacked_index", {"bad": time.time() - 50, "tag": time.time() - 60})
    until(lambda: site.redis.hget("twinops:run:behind-nonsense", "error"), "an attempt of the message behind it")
    until(lambda: site.redis.hlen(UNACKED) == 0, "nothing delivered")
    assert 'twinops_bad_records_total{kind="delivered"} 1.0' in site.metrics()


def test_a_run_whose_record_cannot_be_read_is_carried_out_and_counted(site: Site) -> None:
    site.redis.hset("twinops:run:bad-record", "attempts", "many")
    site.send(written(task("bad-record")))
    until(lambda: site.redis.hget("twinops:run:bad-record", "error"), "an attempt")
    assert site.redis.hget("twinops:run:bad-record", "attempts") == b"1"
    until(lambda: 'twinops_bad_records_total{kind="run"} 1.0' in site.metrics(), "the count")


def test_only_the_newest_are_kept_and_not_all_of_a_long_one(site: Site) -> None:
    site.redis.xadd("twinops:dead-letters", {"oldest": 1})
    with site.redis.pipeline() as pipe:
        for _ in range(1000):
            pipe.lpush(queue_key("trials", PRIORITY), b"x" * 40)
        pipe.lpush(queue_key("trials", PRIORITY), b"y" * 100_000)
        pipe.execute()
    until(lambda: site.redis.llen(queue_key("trials", PRIORITY)) == 0, "an empty queue")
    until(lambda: b"y" in site.newest()[b"message"], "the last one")
    assert site.redis.xlen("twinops:dead-letters") == 1000
    newest = site.letters()[0]
    assert (newest["size"], newest["cut"]) == (100_000, True)
    assert len(site.letter(newest["id"])["message"]) == 32_768
    refused = site.command("requeue", newest["id"])
    assert (refused.returncode, "only the first 32768 of its 100000 bytes were kept" in refused.stderr) == (1, True)


def test_an_administrator_lists_shows_and_drops_them(site: Site) -> None:
    assert site.command("list").stdout == "There are no dead letters.\n"
    site.send(written(task("run-\x1b[2J"), key=None))
    site.newest()
    lines = site.command("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "TIME", "QUEUE", "REASON", "RUN", "WORKER"]
    assert lines[1].split()[2:] == ["simulations", "Unsigned", "run-\\x1b[2J", "worker-1"]
    assert site.letter(site.letters()[0]["id"])["because"] == "it has no signature"
    assert site.command("purge", "--yes").stdout == "1 dead letters dropped.\n"
    assert site.command("show", "1-1").stderr.startswith("There is no dead letter 1-1")
    assert site.command("show", "nonsense").returncode == 1


def test_a_tampered_message_is_not_put_back(site: Site) -> None:
    site.send(written(task("tampered"), key=OTHER_KEY))
    site.newest()
    entry = site.letters()[0]["id"]
    refused = site.command("requeue", entry)
    assert refused.returncode == 1
    assert "which is not known here (Forged)" in refused.stderr
    without_key = site.command("requeue", entry, TWINOPS_SIGNING_KEY="")
    assert "cannot be checked without TWINOPS_SIGNING_KEY" in without_key.stderr
    assert site.redis.xlen("twinops:dead-letters") == 1


@pytest.mark.slow
def test_a_message_of_a_key_that_is_known_by_now_is_put_back_and_carried_out(site: Site) -> None:
    site.send(written(task("rotated"), key=OTHER_KEY))
    site.newest()
    entry = site.letters()[0]["id"]
    site.stop()
    put_back = site.command("requeue", entry, TWINOPS_SIGNING_KEY_PREVIOUS=OTHER_KEY.decode())
    assert put_back.stdout == f"Dead letter {entry} is in the queue simulations again.\n"
    assert site.redis.xlen("twinops:dead-letters") == 0
    site.start(TWINOPS_SIGNING_KEY_PREVIOUS=OTHER_KEY.decode())
    until(lambda: site.redis.hget("twinops:run:rotated", "error"), "an attempt")
    site.stop()  # no other test may meet a worker that takes what the other key has signed
    site.start()
    assert site.works()


def test_a_redis_that_evicts_is_refused(site: Site) -> None:
    site.redis.config_set("maxmemory-policy", "allkeys-lru")
    site.redis.config_set("maxmemory", 100_000_000)
    try:
        worker = site.start("--queues", "simulations", TWINOPS_METRICS_PORT="0")
        assert worker.wait(WITHIN) == 2
        site.workers.remove(worker)
    finally:
        site.redis.config_set("maxmemory", 0)
        site.redis.config_set("maxmemory-policy", "noeviction")
    sentence = "Set maxmemory-policy of Redis to noeviction, not allkeys-lru: it would drop queues and records."
    assert sentence in site.log.read_text().splitlines()
