-- What the other scripts share: the changes of a transaction in one shard.
--
-- It touches no key by itself. The keys that changes are about: {shard}tasks, names, holders, running,
-- paused, places (hashes), number, due, ready:<name>, listed:<status>:<name>,
-- moments:<status>:<name> (sorted sets); workers (a hash), where all are in one slot.
--
-- Changes are steps {operation, which of the keys, strings}: some check what was read, some write,
-- some do both.

local CHUNK = 2000
local changes = {}

-- The steps from MessagePack; their keys are those from KEYS[first] on.
function changes.read(packed, first)
    local steps = cmsgpack.unpack(packed)
    for _, step in ipairs(steps) do
        step.operation, step.key, step.strings = step[1], KEYS[first + step[2] - 1], step[3]
    end
    return steps
end

-- The steps that are kept in {shard}prepared, after what is kept about them.
function changes.kept(kept, first)
    local _, position = struct.unpack('>I4c0', kept)
    return changes.read(string.sub(kept, position), first)
end

local function each_chunk(strings, size, call)
    for first = 1, #strings, size do
        call(unpack(strings, first, math.min(first + size - 1, #strings)))
    end
end

-- Whether all fields have their values, or what those begin with; '' for one that is not there.
local function are_unchanged(key, fields, expected, whole)
    local place = 0
    local unchanged = true
    each_chunk(fields, CHUNK, function(...)
        for _, value in ipairs(redis.call('HMGET', key, ...)) do
            place = place + 1
            local begin = expected[place]
            if value then
                local compared = whole and value or string.sub(value, 1, #begin)
                unchanged = unchanged and begin ~= '' and compared == begin
            else
                unchanged = unchanged and begin == ''
            end
        end
    end)
    return unchanged
end

local check = {}

-- Pairs of a field and its value.
function check.value(key, strings)
    local fields, expected = {}, {}
    for place = 1, #strings, 2 do
        fields[#fields + 1] = strings[place]
        expected[#expected + 1] = strings[place + 1]
    end
    return are_unchanged(key, fields, expected, true)
end

-- Pairs of an id that is not there and the value to write.
function check.new(key, strings)
    local ids = {}
    for place = 1, #strings, 2 do
        ids[#ids + 1] = strings[place]
    end
    local absent = true
    each_chunk(ids, CHUNK, function(...)
        for _, value in ipairs(redis.call('HMGET', key, ...)) do
            absent = absent and not value
        end
    end)
    return absent
end

-- Triples of an id, the revision that was read, and the value to write.
function check.tasks(key, strings)
    local ids, revisions = {}, {}
    for place = 1, #strings, 3 do
        ids[#ids + 1] = strings[place]
        revisions[#revisions + 1] = strings[place + 1]
    end
    return are_unchanged(key, ids, revisions, false)
end

local write = {}

for _, name in ipairs({'HSET', 'HDEL', 'ZREM'}) do
    write[name] = function(key, strings)
        each_chunk(strings, CHUNK, function(...)
            redis.call(name, key, ...)
        end)
    end
end

function write.ZADD(key, members)
    local scored = {}
    for place, member in ipairs(members) do
        scored[2 * place - 1] = '0'
        scored[2 * place] = member
    end
    each_chunk(scored, CHUNK, function(...)
        redis.call('ZADD', key, ...)
    end)
end

function write.tasks(key, strings)
    local values, deleted = {}, {}
    for place = 1, #strings, 3 do
        local value = strings[place + 2]
        if value == '-' then
            deleted[#deleted + 1] = strings[place]
        elseif value ~= '' then
            values[#values + 1] = strings[place]
            values[#values + 1] = value
        end
    end
    write.HSET(key, values)
    write.HDEL(key, deleted)
end

function write.new(key, strings)
    write.HSET(key, strings)
end

function write.count(key, changes)
    for place = 1, #changes, 2 do
        if redis.call('HINCRBY', key, changes[place], changes[place + 1]) == 0 then
            redis.call('HDEL', key, changes[place])
        end
    end
end

function write.raise(key, strings)
    if tonumber(redis.call('GET', key) or '0') < tonumber(strings[1]) then
        redis.call('SET', key, strings[1])
    end
end

-- Whether everything is as it was read.
function changes.hold(steps)
    for _, step in ipairs(steps) do
        local holds = check[step.operation]
        if holds and not holds(step.key, step.strings) then
            return false
        end
    end
    return true
end

function changes.write(steps)
    for _, step in ipairs(steps) do
        if write[step.operation] then
            write[step.operation](step.key, step.strings)
        end
    end
end

-- Of how many strings the first is a field that nobody else may change between check and write.
local LOCKED = {new = 2, tasks = 3, value = 2, HSET = 2, HDEL = 1}

-- The fields of {shard}locks for all that the steps are about.
function changes.locks(steps)
    local fields = {}
    for _, step in ipairs(steps) do
        local size = LOCKED[step.operation]
        if size then
            for place = 1, #step.strings, size do
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
    each_chunk(changes.locks(steps), CHUNK, function(...)
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
    write.HSET(locks, locked)
end

function changes.unlock(steps, locks)
    write.HDEL(locks, changes.locks(steps))
end
