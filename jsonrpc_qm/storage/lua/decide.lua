-- Tells what becomes of a transaction over several shards, and gives it up if that is still open.
--
-- KEYS[1]   {shard}decisions of the shard where it is decided
-- ARGV[1]   the transaction's mark
-- ARGV[2]   the decision to store when there is none; '' to leave it open
--
-- Answers the decision, '' when it is open.

local decision = redis.call('HGET', KEYS[1], ARGV[1])
if decision then
    return decision
end
if ARGV[2] ~= '' then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return ARGV[2]
