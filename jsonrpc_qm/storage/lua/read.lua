-- Reads sorted sets of one shard at one moment.
--
-- KEYS   the sorted sets
-- ARGV   for each of them the command, how many arguments it has after the key, and these
--
-- Answers the commands' replies.

local replies = {}
local at = 1
for place, key in ipairs(KEYS) do
    local last = at + 1 + ARGV[at + 1]
    replies[place] = redis.call(ARGV[at], key, unpack(ARGV, at + 2, last))
    at = last + 1
end
return replies
