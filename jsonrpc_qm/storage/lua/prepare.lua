-- Keeps what a transaction over several shards is to write in this one, and locks what it is about.
-- (After changes.lua.)
--
-- KEYS[1]   {shard}prepared: marks of transactions, and what they are to write here
-- KEYS[2]   {shard}locks: fields that a prepared transaction is about, and its mark
-- KEYS[3..] the keys that the changes are about
-- ARGV[1]   the transaction's mark
-- ARGV[2]   what is kept: in four bytes the length of what is kept about them, that, and its steps
--
-- Answers 1 when it is prepared, 0 when somebody else has changed what it read, and when another
-- transaction was in the way its mark.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    return 1
end
local steps = changes.kept(ARGV[2], 3)
local mark = changes.locked_by(steps, KEYS[2])
if mark then
    return mark
end
if not changes.hold(steps) then
    return 0
end
changes.lock(steps, KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
