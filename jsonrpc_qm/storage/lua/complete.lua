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
    local tokens = step.first + count
    step.values = changes.values_of(KEYS[step.place], strings, step.first + 1, tokens)
    for number, value in ipairs(step.values) do
        if not value or sub(value, 17, 25) ~= 's' .. strings[tokens + number] then
            return false
        end
    end
    return true
end

function changes.writes.complete(step)
    local strings, count = step.strings, completions(step)
    local moment, revision = strings[step.first], sub(ARGV[1], 1, 8)
    local tasks, due, started, completed, moments = {}, {}, {}, {}, {}
    for number, value in ipairs(step.values) do
        local id = strings[step.first + number]
        local event = strings[step.first + 2 * count + number]
        local stored, token = sub(value, 9, 16), sub(value, 18, 25)
        local place = stored .. id
        local second = 2 * number
        tasks[second - 1] = id
        tasks[second] = revision .. stored .. 'c' .. token .. NO_MOMENT .. sub(value, 34) .. event
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
