-- Writes all that one transaction changed, unless somebody else has changed what it read.
--
-- KEYS[1]   the mark of this manager's latest transaction
-- KEYS[2..] every other key that is checked or written, all in one hash slot:
--           {prefix}:tasks, :names, :holders, :running, :workers, :paused (hashes), :number,
--           :due, :ready:<name>, :listed:<status>:<name>, :moments:<status>:<name> (sorted sets)
-- ARGV[1]   this transaction's mark
-- ARGV[2]   MessagePack: a list of {operation, place of the key in KEYS, how many strings}
-- ARGV[3]   those strings one after the other, each after its length in four bytes
--
-- Answers 1 when all is written (also by an earlier try of the same transaction), and 0 when
-- nothing is.

local CHUNK = 2000

if redis.call('GET', KEYS[1]) == ARGV[1] then
    return 1
end

local position = 1
local function take(count)
    local strings = {}
    for place = 1, count do
        strings[place], position = struct.unpack('>I4c0', ARGV[3], position)
    end
    return strings
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

local steps = cmsgpack.unpack(ARGV[2])
for _, step in ipairs(steps) do
    step[3] = take(step[3])
end
-- All checks come first, so that nothing is written before one fails.
for _, step in ipairs(steps) do
    local is_unchanged = check[step[1]]
    if is_unchanged and not is_unchanged(KEYS[step[2]], step[3]) then
        return 0
    end
end
for _, step in ipairs(steps) do
    if write[step[1]] then
        write[step[1]](KEYS[step[2]], step[3])
    end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 3600)
return 1
