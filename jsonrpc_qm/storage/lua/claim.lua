-- The step `claim`: takes due tasks of one name, the first ones of its order. (After changes.lua.)
--
-- Keys of the step, in this order:
--   {shard}tasks
--   {shard}due
--   {shard}paused
--   {shard}workers
--   {shard}running
--   {shard}ready:<name>
--   {shard}listed:queued:<name>
--   {shard}moments:queued:<name>
--   {shard}listed:started:<name>
--
-- Its strings are the moment in microseconds, the moment after it as in sorted sets, the name, the
-- worker or '', how many tasks at most, the lease in microseconds or '' for that of each task, and what
-- is to be kept of the claim. What tasks begin with is in redis_values.py. ARGV[1] is the transaction's
-- mark.

local NO_TOKEN = NO_MOMENT
local PLAIN = '\127\255\255\255'  -- how members of {shard}ready begin that have the priority 0

-- A moment in microseconds as in sorted sets, and in what tasks begin with.
local function moment_of(micros)
    return '\128' .. sub(struct.pack('>I8', micros), 2)
end

-- Nothing is to be swept before: that is for the manager.
function changes.checks.claim(step)
    local due = KEYS[step.place + 1]
    local after = '(' .. step.strings[step.first + 1]
    return #redis.call('ZRANGEBYLEX', due, '-', after, 'LIMIT', 0, 1) == 0
end

local function may_take(step)
    local name, worker = step.strings[step.first + 2], step.strings[step.first + 3]
    if redis.call('HEXISTS', KEYS[step.place + 2], name) == 1 then
        return false
    end
    local known = worker ~= '' and redis.call('HGET', KEYS[step.place + 3], worker)
    return not (known and cmsgpack.unpack(known)[3])
end

-- What gives each task its new beginning from its old one, as transitions.claimed does.
local function claimer(now, given)
    local revision = sub(ARGV[1], 1, 8)
    local first_token = struct.pack('>I8', now)
    local dues = {}
    return function(value)
        local durations = sub(value, 34, 49)
        local due = dues[durations]
        if not due then
            local lease, timeout = struct.unpack('>I8I8', durations)
            lease = tonumber(given) or lease
            due = moment_of(now + (timeout > 0 and math.min(lease, timeout) or lease))
            dues[durations] = due
        end
        local token = first_token
        if sub(value, 18, 25) ~= NO_TOKEN then
            token = struct.pack('>I8', math.max(struct.unpack('>I8', value, 18) + 1, now))
        end
        return revision .. sub(value, 9, 16) .. 's' .. token .. due .. sub(value, 34), due
    end
end

-- Takes those that `members` of {shard}ready are about.
local function take(step, members)
    local strings = step.strings
    local ids, values = {}, {}
    for number, member in ipairs(members) do
        ids[number] = sub(member, 21)
    end
    changes.each_chunk(ids, 1, #ids, function(...)
        for _, value in ipairs(redis.call('HMGET', KEYS[step.place], ...)) do
            values[#values + 1] = value
        end
    end)
    local claimed = claimer(tonumber(strings[step.first]), strings[step.first + 5])
    local event = strings[step.first + 6]
    local tasks, places, started, due, expiring, urgent = {}, {}, {}, {}, {}, {}
    for number, value in ipairs(values) do
        local place, second = sub(members[number], 13), 2 * number
        local taken, due_at = claimed(value)
        step.taken[number] = taken .. event
        tasks[second - 1], tasks[second] = ids[number], step.taken[number]
        places[number] = place
        started[second - 1], started[second] = '0', place
        due[second - 1], due[second] = '0', due_at .. place
        if sub(value, 26, 33) ~= NO_MOMENT then
            expiring[#expiring + 1] = sub(value, 26, 33) .. place
        end
        if sub(members[number], 1, 4) ~= PLAIN then
            urgent[#urgent + 1] = sub(members[number], 5)
        end
    end
    changes.call('HSET', KEYS[step.place], tasks)
    changes.call('ZREM', KEYS[step.place + 1], expiring)
    changes.call('ZADD', KEYS[step.place + 1], due)
    changes.call('ZREM', KEYS[step.place + 5], members)
    changes.call('ZREM', KEYS[step.place + 6], places)
    changes.call('ZREM', KEYS[step.place + 7], urgent)
    changes.call('ZADD', KEYS[step.place + 8], started)
    step.ids = ids
end

function changes.writes.claim(step)
    step.ids, step.taken = {}, {}
    if not may_take(step) then
        return
    end
    local most = step.strings[step.first + 4]
    local members = redis.call('ZRANGEBYLEX', KEYS[step.place + 5], '-', '+', 'LIMIT', 0, most)
    if #members > 0 then
        take(step, members)
        local worker = step.strings[step.first + 3]
        if worker ~= '' then
            redis.call('HINCRBY', KEYS[step.place + 4], worker, #members)
        end
    end
end
