"""The Lua scripts that change a run's record. Each is one atomic step; time is Redis' own.

A run is the hash `twinops:run:ID` with the fields attempts, queued, started, finished, worker, lease (the
token of the holder), lease_until, stop, error, failed (when) and outcome.
"""

# KEYS: run. ARGV: token, lease in seconds, attempt limit, worker, life of the record in seconds.
CLAIM = """
local now = redis.call('TIME'); now = now[1] + now[2] / 1000000
local run = redis.call('HMGET', KEYS[1], 'outcome', 'stop', 'lease', 'lease_until', 'attempts')
if run[1] then return 'finished' end
if run[2] then return run[2] end
if run[3] and run[3] ~= ARGV[1] and tonumber(run[4]) > now then return 'leased' end
if tonumber(run[5] or '0') >= tonumber(ARGV[3]) then return 'exhausted' end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'lease_until', now + ARGV[2], 'worker', ARGV[4])
redis.call('HSETNX', KEYS[1], 'started', now)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 'claimed'
"""

# KEYS: run. ARGV: token, lease in seconds, life of the record in seconds.
RENEW = """
local now = redis.call('TIME'); now = now[1] + now[2] / 1000000
local run = redis.call('HMGET', KEYS[1], 'lease', 'stop')
if run[1] ~= ARGV[1] then return 'lost' end
if run[2] then return run[2] end
redis.call('HSET', KEYS[1], 'lease_until', now + ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 'go on'
"""

# KEYS: run, results stream. ARGV: token, outcome, report.
RECORD = """
local now = redis.call('TIME'); now = now[1] + now[2] / 1000000
local run = redis.call('HMGET', KEYS[1], 'lease', 'outcome')
if run[1] ~= ARGV[1] or run[2] then return 0 end
redis.call('HSET', KEYS[1], 'outcome', ARGV[2], 'finished', now)
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
redis.call('XADD', KEYS[2], '*', 'report', ARGV[3])
return 1
"""

# KEYS: run, results stream. ARGV: token, what went wrong, report; the attempt stays counted.
FAIL_ATTEMPT = """
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
local now = redis.call('TIME'); now = now[1] + now[2] / 1000000
redis.call('HSET', KEYS[1], 'error', ARGV[2], 'failed', now)
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
redis.call('XADD', KEYS[2], '*', 'report', ARGV[3])
return 1
"""

# KEYS: run. ARGV: token. A clean stop gives the attempt back.
GIVE_BACK = """
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
return redis.call('HINCRBY', KEYS[1], 'attempts', -1)
"""
