-- The step `claim`: takes due tasks of some names, the first ones of their order. (After changes.lua.)
--
-- Keys of the step, in this order:
--   {shard}tasks
--   {shard}due
--   {shard}paused
--   {shard}workers
--   {shard}running
-- and for each name:
--   {shard}ready:<name>
--   {shard}listed:queued:<name>
--   {shard}moments:queued:<name>
--   {shard}listed:started:<name>
--
-- Its strings are the moment in microseconds, the moment after it as in sorted sets, the worker or '',
-- how many tasks at most, the lease in microseconds or '' for that of each task, what is to be kept of
-- the claim, and the names. What tasks begin with is in redis_values.py. ARGV[1] is the transaction's
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

local function is_draining(step)
    local worker = step.strings[step.first + 2]
    local known = worker ~= '' and redis.call('HGET', KEYS[step.place + 3], worker)
    return known and cmsgpack.unpack(known)[3]
end

-- The members of {shard}ready that come first of each name that is not paused, in a list for each.
local function candidates(step)
    local strings = step.strings
    local most = strings[step.first + 3]
    local found = {}
    for place = step.first + 6, step.last do
        local number = place - step.first - 5
        local ready = KEYS[step.place + 1 + 4 * number]
        found[number] = {}
        if redis.call('HEXISTS', KEYS[step.place + 2], strings[place]) == 0 then
            found[number] = redis.call('ZRANGEBYLEX', ready, '-', '+', 'LIMIT', 0, most)
        end
    end
    return found
end

-- Whether the first five numbers of a list come before those of another.
local function comes_before(one, other)
    for place = 1, 5 do
        if one[place] ~= other[place] then
            return one[place] < other[place]
        end
    end
    return false
end

-- Of what was found of each name, those that come first of all, again in a list for each.
local function first_ones(found, most)
    local order = {}
    for number, members in ipairs(found) do
        for _, member in ipairs(members) do
            -- Lua compares strings as people of some country do. These are 20 bytes.
            local one = {struct.unpack('>I4I4I4I4I4', member)}
            one.number, one.member = number, member
            order[#order + 1] = one
        end
    end
    table.sort(order, comes_before)
    local first = {}
    for number in ipairs(found) do
        first[number] = {}
    end
    for place = 1, math.min(most, #order) do
        table.insert(first[order[place].number], order[place].member)
    end
    return first
end

-- What gives each task from what it was, as transitions.claimed does, with `event` behind it.
local function claimer(now, given, event)
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
        return revision .. sub(value, 9, 16) .. 's' .. token .. due .. sub(value, 34) .. event, due
    end
end

-- Takes those of a name that `members` of its {shard}ready are about.
local function take(step, number, members)
    local strings = step.strings
    local keys = step.place + 1 + 4 * number  -- that of {shard}ready, before the others of the name
    local ids = {}
    for at, member in ipairs(members) do
        ids[at] = sub(member, 21)
    end
    local values = changes.values_of(KEYS[step.place], ids, 1, #ids)
    local before = #step.ids
    local now, lease, event = strings[step.first], strings[step.first + 4], strings[step.first + 5]
    local claimed = claimer(tonumber(now), lease, event)
    local tasks, places, started, due, expiring, urgent = {}, {}, {}, {}, {}, {}
    for at, value in ipairs(values) do
        local place, second = sub(members[at], 13), 2 * at
        local taken, due_at = claimed(value)
        tasks[second - 1], tasks[second] = ids[at], taken
        step.ids[before + at], step.taken[before + at] = ids[at], taken
        places[at] = place
        started[second - 1], started[second] = '0', place
        due[second - 1], due[second] = '0', due_at .. place
        if sub(value, 26, 33) ~= NO_MOMENT then
            expiring[#expiring + 1] = sub(value, 26, 33) .. place
        end
        if sub(members[at], 1, 4) ~= PLAIN then
            urgent[#urgent + 1] = sub(members[at], 5)
        end
    end
    changes.call('HSET', KEYS[step.place], tasks)
    changes.call('ZREM', KEYS[step.place + 1], expiring)
    changes.call('ZADD', KEYS[step.place + 1], due)
    changes.call('ZREM', KEYS[keys], members)
    changes.call('ZREM', KEYS[keys + 1], places)
    changes.call('ZREM', KEYS[keys + 2], urgent)
    changes.call('ZADD', KEYS[keys + 3], started)
end

function changes.writes.claim(step)
    step.ids, step.taken = {}, {}
    if is_draining(step) then
        return
    end
    local found = candidates(step)
    if #found > 1 then
        found = first_ones(found, tonumber(step.strings[step.first + 3]))
    end
    for number, members in ipairs(found) do
        if #members > 0 then
            take(step, number, members)
        end
    end
    local worker = step.strings[step.first + 2]
    if worker ~= '' and #step.ids > 0 then
        redis.call('HINCRBY', KEYS[step.place + 4], worker, #step.ids)
    end
end
