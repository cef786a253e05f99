-- Writes all that a transaction changed in a shard, unless somebody else has changed what it read.
-- (After changes.lua.)
--
-- KEYS[1]   {shard}commit:<writer>: the mark of a writer's latest transaction
-- KEYS[2]   {shard}locks: fields that another transaction is not through with, and its mark
-- KEYS[3]   {shard}decisions: marks of transactions over several shards, and what becomes of them
-- KEYS[4..] the keys that the changes are about
-- ARGV[1]   this transaction's mark
-- ARGV[2]   the decision to store, when other shards are prepared and wait for it; else ''
-- ARGV[3]   the moment in microseconds after which it is too late for that
-- ARGV[4..] its steps
--
-- Answers 1 when all is written (also by an earlier try of the same transaction), 0 when nothing is,
-- and when another transaction was in the way its mark.

if redis.call('GET', KEYS[1]) == ARGV[1] then
    return 1
end
local steps = changes.read(ARGV, 4, 4)
local mark = changes.locked_by(steps, KEYS[2])
if mark then
    return mark
end
if ARGV[2] ~= '' then
    local time = redis.call('TIME')
    local is_late = time[1] * 1000000 + time[2] > tonumber(ARGV[3])
    if is_late or redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then
        return 0
    end
end
-- All checks come first, so that nothing is written before one fails.
if not changes.hold(steps) then
    return 0
end
changes.write(steps)
if ARGV[2] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 3600)
return 1
