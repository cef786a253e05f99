-- Ends a prepared transaction in this shard: writes what it was to write, or forgets it.
-- (After changes.lua.)
--
-- KEYS[1]   {shard}prepared
-- KEYS[2]   {shard}locks
-- KEYS[3..] the keys that it was prepared with
-- ARGV[1]   the transaction's mark
-- ARGV[2]   '1' to write, '0' to forget
--
-- Answers 1, and 0 when it is not prepared here (any more).

local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then
    return 0
end
local steps = changes.kept(kept, 3)
if ARGV[2] == '1' then
    changes.write(steps)
end
changes.unlock(steps, KEYS[2])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
