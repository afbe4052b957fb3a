"""The Lua scripts that change a run's record. Each is one atomic step; time is Redis' own.

A run is the hash `twinops:run:ID` with the fields attempts, queued, started (the first attempt), attempt_started
(the latest), finished, worker, lease (the token of the holder), lease_until, stop, error, failed (when), outcome, and
registeredModel and version, with which it was published.
Beside it, a queue has an index of its leases and its pace (see `keys`); they change in the same step.
"""

_NOW = "local now = redis.call('TIME'); now = now[1] + now[2] / 1000000"

_END_LEASE = """
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
redis.call('ZREM', KEYS[2], ARGV[2])
"""

# The first task sets the pace; each later one moves it by its weight.
_KEEP_PACE = """
local seconds = now - (tonumber(redis.call('HGET', KEYS[1], 'attempt_started')) or now)
local pace = tonumber(redis.call('HGET', KEYS[4], 'seconds')) or seconds
redis.call('HSET', KEYS[4], 'seconds', pace + ARGV[5] * (seconds - pace))
redis.call('HINCRBY', KEYS[4], 'count', 1)
redis.call('EXPIRE', KEYS[4], ARGV[6])
"""

# KEYS: run, leases of the queue, draining flag of the worker.
# ARGV: token, member of the index, lease in seconds, attempt limit, worker, life of the record in seconds.
# A token that holds the lease already is the same claim sent again: the connection broke before its answer came.
CLAIM = f"""
{_NOW}
local run = redis.call('HMGET', KEYS[1], 'outcome', 'stop', 'lease', 'lease_until', 'attempts')
if run[1] then return 'finished' end
if run[2] then return run[2] end
if run[3] == ARGV[1] then return 'claimed' end
if run[3] and tonumber(run[4]) > now then return 'leased' end
if tonumber(run[5] or '0') >= tonumber(ARGV[4]) then return 'exhausted' end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'draining' end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'lease_until', now + ARGV[3], 'worker', ARGV[5], 'attempt_started', now)
redis.call('HSETNX', KEYS[1], 'started', now)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 'claimed'
"""

# KEYS: run, leases of the queue.
# ARGV: token, member of the index, lease in seconds, life of the record in seconds.
RENEW = f"""
{_NOW}
local run = redis.call('HMGET', KEYS[1], 'lease', 'stop')
if run[1] ~= ARGV[1] then return 'lost' end
if run[2] then return run[2] end
redis.call('HSET', KEYS[1], 'lease_until', now + ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 'go on'
"""

# KEYS: run, leases of the queue, results stream, pace of the queue.
# ARGV: token, member of the index, outcome, report, weight of this task in the pace, life of the pace in seconds.
RECORD = f"""
local run = redis.call('HMGET', KEYS[1], 'lease', 'outcome')
if run[1] ~= ARGV[1] or run[2] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'outcome', ARGV[3], 'finished', now)
{_KEEP_PACE}
{_END_LEASE}
redis.call('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS and ARGV as those of RECORD, with what went wrong in place of the outcome; the attempt stays counted.
FAIL_ATTEMPT = f"""
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'error', ARGV[3], 'failed', now)
{_KEEP_PACE}
{_END_LEASE}
redis.call('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS: run, leases of the queue. ARGV: token, member of the index. A clean stop gives the attempt back.
GIVE_BACK = f"""
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
{_END_LEASE}
redis.call('HINCRBY', KEYS[1], 'attempts', -1)
return 1
"""

# KEYS: run, leases of the queue. ARGV: worker, member of the index, change of the count of attempts.
# For a parent whose child is no more.
END_LEASE_OF_WORKER = f"""
local run = redis.call('HMGET', KEYS[1], 'worker', 'lease')
if run[1] ~= ARGV[1] or not run[2] then return 0 end
{_END_LEASE}
redis.call('HINCRBY', KEYS[1], 'attempts', ARGV[3])
return 1
"""
