-- What the other scripts share: the changes of a transaction in one shard.
--
-- It touches no key by itself. The keys that changes are about: {shard}tasks, names, holders, running,
-- paused, places (hashes), number, due, ready:<name>, listed:<status>:<name>,
-- moments:<status>:<name> (sorted sets); workers (a hash), where all are in one slot.
--
-- Changes are steps: some check what was read, some write. A list of strings has them, in ARGV or in
-- MessagePack: first what they are, as 'operation key count' for each (key: which of the keys),
-- then the `count` strings of each, one step after the other.

local CHUNK = 4000
local NO_MOMENT = string.rep('\0', 8)  -- in what tasks begin with
local sub = string.sub
local changes = {}

-- The steps that `strings` has from `at` on; their keys are those from KEYS[first] on.
function changes.read(strings, at, first)
    local steps = {}
    local place = at + 1
    for operation, key, count in string.gmatch(strings[at], '(%a+) (%d+) (%d+)') do
        local step = {operation = operation, key = KEYS[first + key - 1], strings = strings}
        step.first, step.last = place, place + count - 1
        step.place = first + key - 1
        place = place + count
        steps[#steps + 1] = step
    end
    return steps
end

-- The steps that are kept in {shard}prepared, after what is kept about them.
function changes.kept(kept, first)
    local _, position = struct.unpack('>I4c0', kept)
    return changes.read(cmsgpack.unpack(sub(kept, position)), 1, first)
end

-- Calls for the strings from one place to another, some at a time.
function changes.each_chunk(strings, first, last, call)
    for at = first, last, CHUNK do
        call(unpack(strings, at, math.min(at + CHUNK - 1, last)))
    end
end

local each_chunk = changes.each_chunk

-- Calls a command of Redis's with any number of strings after the key; not at all when there are none.
function changes.call(command, key, strings)
    each_chunk(strings, 1, #strings, function(...)
        redis.call(command, key, ...)
    end)
end

-- The values that fields of a hash have, false for one that is not there.
function changes.values_of(key, strings, first, last)
    local values, count = {}, 0
    each_chunk(strings, first, last, function(...)
        for _, value in ipairs(redis.call('HMGET', key, ...)) do
            count = count + 1
            values[count] = value
        end
    end)
    return values
end

-- Fields, then as many values, '' for one that is not there: whether the fields have values that
-- `agree` with those.
local function are_unchanged(step, agree)
    local strings = step.strings
    local fields = (step.last - step.first + 1) / 2
    local last = step.first + fields - 1
    for number, value in ipairs(changes.values_of(step.key, strings, step.first, last)) do
        local expected = strings[last + number]
        if not value and expected ~= '' or value and (expected == '' or not agree(value, expected)) then
            return false
        end
    end
    return true
end

local check = {}
changes.checks = check

-- Fields, then the values that they have.
function check.value(step)
    return are_unchanged(step, function(value, expected)
        return value == expected
    end)
end

-- Ids, then the revisions that their tasks begin with.
function check.revision(step)
    return are_unchanged(step, function(value, expected)
        return sub(value, 1, #expected) == expected
    end)
end

-- Ids that are not there.
function check.absent(step)
    for _, value in ipairs(changes.values_of(step.key, step.strings, step.first, step.last)) do
        if value then
            return false
        end
    end
    return true
end

-- Pairs of an id that is not there and the value to write.
function check.new(step)
    local ids = {}
    for place = step.first, step.last, 2 do
        ids[#ids + 1] = step.strings[place]
    end
    return check.absent({key = step.key, strings = ids, first = 1, last = #ids})
end

local write = {}
changes.writes = write

-- Those that Redis has, with what they take: fields and values, fields, members.
for _, name in ipairs({'HSET', 'HDEL', 'ZREM'}) do
    write[name] = function(step)
        each_chunk(step.strings, step.first, step.last, function(...)
            redis.call(name, step.key, ...)
        end)
    end
end

write.new = write.HSET

-- Members, which all get the same score.
function write.ZADD(step)
    local scored = {}
    for number = 1, step.last - step.first + 1 do
        scored[2 * number - 1] = '0'
        scored[2 * number] = step.strings[step.first + number - 1]
    end
    changes.call('ZADD', step.key, scored)
end

-- Fields, each with what is to be added to its number.
function write.count(step)
    for place = step.first, step.last, 2 do
        local field = step.strings[place]
        if redis.call('HINCRBY', step.key, field, step.strings[place + 1]) == 0 then
            redis.call('HDEL', step.key, field)
        end
    end
end

-- A number that the key is to have at least.
function write.raise(step)
    local number = step.strings[step.first]
    if tonumber(redis.call('GET', step.key) or '0') < tonumber(number) then
        redis.call('SET', step.key, number)
    end
end

-- Whether everything is as it was read.
function changes.hold(steps)
    for _, step in ipairs(steps) do
        local holds = check[step.operation]
        if holds and not holds(step) then
            return false
        end
    end
    return true
end

function changes.write(steps)
    for _, step in ipairs(steps) do
        if write[step.operation] then
            write[step.operation](step)
        end
    end
end

-- Which strings of a step are fields: the first of each pair, the first half, or all.
local LOCKED = {HSET = 'pairs', new = 'pairs', value = 'half', revision = 'half', HDEL = 'all', absent = 'all'}

-- The fields of {shard}locks for all that the steps are about: what nobody else may change between
-- check and write.
function changes.locks(steps)
    local fields = {}
    for _, step in ipairs(steps) do
        local which = LOCKED[step.operation]
        if which then
            local count = step.last - step.first + 1
            local last = which == 'half' and step.first + count / 2 - 1 or step.last
            for place = step.first, last, which == 'pairs' and 2 or 1 do
                fields[#fields + 1] = step.key .. ' ' .. step.strings[place]
            end
        end
    end
    return fields
end

-- The mark of a transaction that has locked something of it; nil when there is none.
function changes.locked_by(steps, locks)
    if redis.call('EXISTS', locks) == 0 then
        return nil
    end
    local found
    local fields = changes.locks(steps)
    each_chunk(fields, 1, #fields, function(...)
        for _, mark in ipairs(redis.call('HMGET', locks, ...)) do
            found = found or mark
        end
    end)
    return found or nil
end

function changes.lock(steps, locks, mark)
    local locked = {}
    for _, field in ipairs(changes.locks(steps)) do
        locked[#locked + 1] = field
        locked[#locked + 1] = mark
    end
    changes.call('HSET', locks, locked)
end

function changes.unlock(steps, locks)
    changes.call('HDEL', locks, changes.locks(steps))
end
