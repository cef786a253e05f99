-- Completes tasks, stores new ones and takes some, all decided here. (After changes.lua, complete.lua
-- and claim.lua, which list the keys of their steps.)
--
-- KEYS[1]   {shard}commit:<writer>: the mark of a writer's latest transaction, and what it took
-- KEYS[2]   {shard}locks: there is none while no other transaction is prepared here
-- KEYS[3]   {shard}tasks
-- KEYS[4..] the keys that the steps are about; besides those of complete.lua and claim.lua
--           {shard}running, holders, names, number, and what is in changes.lua for new tasks
-- ARGV[1]   this transaction's mark
-- ARGV[2..] its steps
--
-- Answers, when all is done, for each claim in a list the tasks that it took; nil when it is not that
-- simple, and nothing is done. A transaction that is sent again is done once, and gets the same tasks,
-- as they are by then.

local mark = ARGV[1]
local kept = redis.call('GET', KEYS[1])
if kept and sub(kept, 1, #mark) == mark then
    local answer = {}
    for claim, ids in ipairs(cmsgpack.unpack(sub(kept, #mark + 1))) do
        answer[claim] = changes.values_of(KEYS[3], ids, 1, #ids)
    end
    return answer
end
local steps = changes.read(ARGV, 2, 3)
if redis.call('EXISTS', KEYS[2]) == 1 or not changes.hold(steps) then
    return nil
end
changes.write(steps)
local taken, ids = {}, {}
for _, step in ipairs(steps) do
    if step.taken then
        taken[#taken + 1], ids[#ids + 1] = step.taken, step.ids
    end
end
redis.call('SET', KEYS[1], mark .. cmsgpack.pack(ids), 'EX', 3600)
return taken
