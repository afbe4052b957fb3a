"""The chart's users of Redis, loaded into the Redis of the tests, with an administrator who observes.

Each user's password is its name.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from redis import Redis

USERS: Final = Path(__file__).parents[2] / "charts" / "twin-operator" / "files" / "redis-users.acl"
ADMIN: Final = "user admin on >admin ~* &* +@all"


def rules() -> list[str]:
    """Return the chart's rules, a line a user, with names in place of digests of passwords."""
    lines = [line for line in USERS.read_text().splitlines() if line and not line.startswith("#")]
    return "\n".join(lines).replace("\n  ", " ").split("\n")


def write_users(file: Path) -> Path:
    """Write an ACL file that a Redis can load, and return its path."""
    text = re.sub(r"#([A-Z]+)_PASSWORD", lambda found: f"#{digest(found[1].lower())}", "\n".join(rules()))
    file.write_text(f"{text}\n{ADMIN}\n")
    return file


def digest(password: str) -> str:
    """Return a password as an ACL file holds it."""
    return sha256(password.encode()).hexdigest()


def address(url: str, user: str) -> str:
    """Return the address that a user goes to; `url` is anybody's or the administrator's."""
    return re.sub(r"^(rediss?://)([^@/]*@)?", rf"\1{user}:{user}@", url)


def refusals(url: str) -> list[str]:
    """Return what users were refused since the server started, newest first."""
    with Redis.from_url(address(url, "admin"), decode_responses=True) as redis:
        return [
            f"{entry['username']}: {entry['object']} ({entry['reason']}, {entry['context']})"
            for entry in redis.acl_log()
            if entry["username"] in ("operator", "worker", "events")
        ]
