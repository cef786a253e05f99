-- The step `complete`: completes started tasks of one name, each for the claim that has its token.
-- (After changes.lua.)
--
-- Keys of the step, in this order:
--   {shard}tasks
--   {shard}due
--   {shard}listed:started:<name>
--   {shard}listed:completed:<name>
--   {shard}moments:completed:<name>
--
-- Its strings are the moment as in sorted sets, then all ids, their tokens, and what is to be kept of
-- each completion. What tasks begin with is in redis_values.py. ARGV[1] is the transaction's mark.

-- How many tasks a step is about.
local function completions(step)
    return (step.last - step.first) / 3
end

function changes.checks.complete(step)
    local strings, count = step.strings, completions(step)
    local token = step.first + count
    local are_held = true
    step.values = {}
    changes.each_chunk(strings, step.first + 1, token, function(...)
        for _, value in ipairs(redis.call('HMGET', KEYS[step.place], ...)) do
            token = token + 1
            are_held = are_held and value and sub(value, 17, 25) == 's' .. strings[token]
            step.values[#step.values + 1] = value
        end
    end)
    return are_held
end

function changes.writes.complete(step)
    local strings, count = step.strings, completions(step)
    local moment, revision = strings[step.first], sub(ARGV[1], 1, 8)
    local tasks, due, started, completed, moments = {}, {}, {}, {}, {}
    for number, value in ipairs(step.values) do
        local id = strings[step.first + number]
        local place = sub(value, 9, 16) .. id
        local kept = sub(value, 34) .. strings[step.first + 2 * count + number]
        local second = 2 * number
        tasks[second - 1] = id
        tasks[second] = revision .. sub(value, 9, 16) .. 'c' .. sub(value, 18, 25) .. NO_MOMENT .. kept
        started[number] = place
        due[number] = sub(value, 26, 33) .. place
        completed[second - 1], completed[second] = '0', place
        moments[second - 1], moments[second] = '0', moment .. place
    end
    changes.call('HSET', KEYS[step.place], tasks)
    changes.call('ZREM', KEYS[step.place + 1], due)
    changes.call('ZREM', KEYS[step.place + 2], started)
    changes.call('ZADD', KEYS[step.place + 3], completed)
    changes.call('ZADD', KEYS[step.place + 4], moments)
end
