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

-- Pairs of a field and its value, or what that begins with; '' for one that must not be there.
local function is_unchanged(key, pairs_of, whole)
    local fields, expected = {}, {}
    for place = 1, #pairs_of, 2 do
        fields[#fields + 1] = pairs_of[place]
        expected[#expected + 1] = pairs_of[place + 1]
    end
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

-- The checks come first, so that nothing is written before one fails.
for _, step in ipairs(cmsgpack.unpack(ARGV[2])) do
    local operation, key, strings = step[1], KEYS[step[2]], take(step[3])
    if write[operation] then
        write[operation](key, strings)
    elseif not is_unchanged(key, strings, operation == 'value') then
        return 0
    end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 3600)
return 1
