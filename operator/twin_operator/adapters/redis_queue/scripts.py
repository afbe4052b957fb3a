"""The Lua scripts that change runs, each one atomic step, and how they come into Redis.

The operator loads them (`ServerUpkeep`); workers call them by hash, since their user may run no script of its own.
Redis forgets scripts when it restarts: a worker then waits until they are there again. Time is Redis' own.

Scripts are not undone where they fail, so what is not the run's own record (the index of leases, the pace of the queue,
the results stream) is changed by `pcall`: a bad one of these costs no run, and the operator removes it.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoPermissionError, NoScriptError
from redis.lock import Lock

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import KeyTypes

logger = logging.getLogger(__name__)
FIRST_PAUSE: Final = 0.05  # seconds before a script that is not there is called again; doubles
LONGEST_PAUSE: Final = 1.0  # as often as the operator checks
LONGEST_DRAINING: Final = 600  # seconds that a mark of the operator may have left; it sets 60

_NOW: Final = "local now = redis.call('TIME'); now = now[1] + now[2] / 1000000"

# A run's record that is no hash has no fields.
_FIELDS: Final = """
local function fields(...)
  local found = redis.pcall('HMGET', KEYS[1], ...)
  return found.err and {} or found
end
local function number(value) return type(value) == 'string' and tonumber(value) or nil end
"""

_END_LEASE: Final = """
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
redis.pcall('ZREM', KEYS[2], ARGV[2])
"""

# The first task sets the pace; each later one moves it by its weight.
_KEEP_PACE: Final = """
local seconds = now - (number(redis.call('HGET', KEYS[1], 'attempt_started')) or now)
local pace = number(redis.pcall('HGET', KEYS[4], 'seconds')) or seconds
redis.pcall('HSET', KEYS[4], 'seconds', pace + ARGV[5] * (seconds - pace))
redis.pcall('HINCRBY', KEYS[4], 'count', 1)
redis.pcall('EXPIRE', KEYS[4], ARGV[6])
"""

# KEYS: run, leases of the queue, draining mark of the worker.
# ARGV: token, member of the index, lease in seconds, attempt limit, worker, life of the record in seconds.
# A token that holds the lease already is the same claim sent again: the connection broke before its answer came.
# A record that cannot be read is dropped: the next claim begins a new one. A draining mark always expires.
CLAIM: Final = f"""
{_NOW}
{_FIELDS}
local run = redis.pcall('HMGET', KEYS[1], 'outcome', 'stop', 'lease', 'lease_until', 'attempts')
local sound = not run.err and (not run[3] or number(run[4]))
  and (not run[5] or (#run[5] < 10 and string.match(run[5], '^%d+$')))
if not sound then
  redis.call('DEL', KEYS[1])
  return 'unreadable'
end
if run[1] then return 'finished' end
if run[2] then return run[2] end
if run[3] == ARGV[1] then return 'claimed' end
if run[3] and number(run[4]) > now then return 'leased' end
if (number(run[5]) or 0) >= tonumber(ARGV[4]) then return 'exhausted' end
local drains = redis.call('PTTL', KEYS[3])
if drains > 0 and drains <= {LONGEST_DRAINING * 1000} then return 'draining' end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'lease_until', now + ARGV[3], 'worker', ARGV[5], 'attempt_started', now)
redis.call('HSETNX', KEYS[1], 'started', now)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.pcall('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.pcall('EXPIRE', KEYS[2], ARGV[6])
return 'claimed'
"""

# KEYS: run, leases of the queue.
# ARGV: token, member of the index, lease in seconds, life of the record in seconds.
RENEW: Final = f"""
{_NOW}
{_FIELDS}
local run = fields('lease', 'stop')
if run[1] ~= ARGV[1] then return 'lost' end
if run[2] then return run[2] end
redis.call('HSET', KEYS[1], 'lease_until', now + ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.pcall('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.pcall('EXPIRE', KEYS[2], ARGV[4])
return 'go on'
"""

# KEYS: run, leases of the queue, results stream, pace of the queue.
# ARGV: token, member of the index, outcome, report, weight of this task in the pace, life of the pace in seconds.
RECORD: Final = f"""
{_FIELDS}
local run = fields('lease', 'outcome')
if run[1] ~= ARGV[1] or run[2] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'outcome', ARGV[3], 'finished', now)
{_KEEP_PACE}
{_END_LEASE}
redis.pcall('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS and ARGV as those of RECORD, with what went wrong in place of the outcome; the attempt stays counted.
FAIL_ATTEMPT: Final = f"""
{_FIELDS}
if fields('lease')[1] ~= ARGV[1] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'error', ARGV[3], 'failed', now)
{_KEEP_PACE}
{_END_LEASE}
redis.pcall('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS: run, leases of the queue. ARGV: token, member of the index. A clean stop gives the attempt back.
GIVE_BACK: Final = f"""
{_FIELDS}
if fields('lease')[1] ~= ARGV[1] then return 0 end
{_END_LEASE}
redis.pcall('HINCRBY', KEYS[1], 'attempts', -1)
return 1
"""

# KEYS: run, leases of the queue. ARGV: worker, member of the index, change of the count of attempts.
# For a parent whose child is no more.
END_LEASE_OF_WORKER: Final = f"""
{_FIELDS}
local run = fields('worker', 'lease')
if run[1] ~= ARGV[1] or not run[2] then return 0 end
{_END_LEASE}
redis.pcall('HINCRBY', KEYS[1], 'attempts', ARGV[3])
return 1
"""

SCRIPTS: Final = (
    CLAIM,
    RENEW,
    RECORD,
    FAIL_ATTEMPT,
    GIVE_BACK,
    END_LEASE_OF_WORKER,
    Lock.LUA_RELEASE_SCRIPT,  # kombu's workers take turns in returning messages, by a lock of redis-py
)


def digest_of(script: str) -> str:
    """Return the hash by which Redis knows a script."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class ScriptCalls:
    """Calls scripts by their hashes.

    Args:
        redis: connection with `decode_responses` off.
        patience_seconds: how long a call waits for a script that Redis does not have.
    """

    redis: Redis
    patience_seconds: float

    def call(self, script: str, places: Sequence[str], terms: Sequence[str | bytes]) -> Any:  # noqa: ANN401 - Redis'
        """Call a script with keys and arguments.

        Raises:
            NoScriptError: the operator did not load it within the time; nothing was changed.
        """
        deadline, pause = time.monotonic() + self.patience_seconds, FIRST_PAUSE
        while True:
            try:
                return self.redis.evalsha(digest_of(script), len(places), *places, *terms)
            except NoScriptError:
                if time.monotonic() > deadline:
                    raise
            logger.debug("A script is not in Redis; waiting for the operator to load it.")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


@dataclass
class ServerUpkeep:
    """Keeps in Redis what workers need and cannot repair themselves: the scripts, and our keys as the types they are.

    Args:
        redis: connection with `decode_responses` off.
        types: removes keys of another type.
    """

    redis: AsyncRedis
    types: KeyTypes
    _refused: bool = False

    async def keep(self) -> None:
        """Load the scripts that Redis does not have, and remove keys of another type.

        Raises:
            RedisError: Redis does not answer, or the operator's user may not load scripts.
        """
        try:
            await self._load()
        except NoPermissionError:
            if not self._refused:
                logger.error("Let the operator's user of Redis load scripts (docs/redis.md): no worker can work.")  # noqa: TRY400 - the text of Redis says no more
            self._refused = True
            raise
        self._refused = False
        await self.types.repair(keys.TYPES)

    async def _load(self) -> None:
        digests = [digest_of(script) for script in SCRIPTS]
        there = await self.redis.script_exists(*digests)
        for script, known in zip(SCRIPTS, there, strict=True):
            if not known:
                await self.redis.script_load(script)
