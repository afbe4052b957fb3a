"""The chart's users of Redis, loaded into the Redis of the tests, with an administrator who observes."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from redis import Redis

USERS: Final = Path(__file__).parents[2] / "charts" / "twin-operator" / "files" / "redis-users.acl"
TAKER: Final = "taker"  # a worker that may take a message without waiting for one, as tests do
ADMIN: Final = "user admin on >of-redis-admin ~* &* +@all"


def rules() -> list[str]:
    """Return the chart's rules, a line a user, with names in place of digests of passwords."""
    lines = [line for line in USERS.read_text().splitlines() if line and not line.startswith("#")]
    return "\n".join(lines).replace("\n  ", " ").split("\n")


def write_users(file: Path) -> Path:
    """Write an ACL file that a Redis can load, and return its path."""
    worker = next(line for line in rules() if line.startswith("user worker "))
    taker = worker.replace("worker", TAKER).replace("WORKER", TAKER.upper())
    lines = [*rules(), f"{taker} (~twinops:* +rpop)"]
    text = re.sub(r"#([A-Z]+)_PASSWORD", lambda found: f"#{digest(password(found[1].lower()))}", "\n".join(lines))
    file.write_text(f"{text}\n{ADMIN}\n")
    return file


def password(user: str) -> str:
    """Return the password of a user: no word that a log has anyway, since those of a process are hidden there."""
    return f"of-redis-{user}"


def digest(text: str) -> str:
    """Return a password as an ACL file holds it."""
    return sha256(text.encode()).hexdigest()


def address(url: str, user: str) -> str:
    """Return the address that a user goes to; `url` is anybody's or the administrator's."""
    return re.sub(r"^(rediss?://)([^@/]*@)?", rf"\1{user}:{password(user)}@", url)


def forget_refusals(url: str) -> None:
    """Begin the record of refusals again."""
    with Redis.from_url(address(url, "admin")) as redis:
        redis.acl_log_reset()


def refusals(url: str) -> list[str]:
    """Return what users were refused since the server started, or since they were forgotten, newest first."""
    with Redis.from_url(address(url, "admin"), decode_responses=True) as redis:
        return [
            f"{entry['username']}: {entry['object']} ({entry['reason']}, {entry['context']})"
            for entry in redis.acl_log()
            if entry["username"] in ("operator", "worker", "events", TAKER)
        ]
