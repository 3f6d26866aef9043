-- Spool: put new tokens on the shelf, in order; a mint that is there stays as it is.
-- A shelf is a sorted set of mints, by order of arrival, and a hash of their rows.
--
-- KEYS  1 the shelf's order  2 the shelf's rows
-- ARGV  1 batch: JSON list of [mint, row]  2 most mints on the shelf
-- Answer  how many are new; the error FULL, with nothing done, past the bound.

local ORDER, ROWS = KEYS[1], KEYS[2]
local batch = cjson.decode(ARGV[1])

local new, seen = {}, {}
for _, entry in ipairs(batch) do
    local mint = entry[1]
    if not seen[mint] and redis.call('HEXISTS', ROWS, mint) == 0 then
        new[#new + 1] = entry
        seen[mint] = true
    end
end

local waiting = redis.call('ZCARD', ORDER)
if waiting + #new > tonumber(ARGV[2]) then
    return redis.error_reply('FULL ' .. waiting .. ' new tokens wait to be stored')
end

local last = tonumber(redis.call('ZRANGE', ORDER, -1, -1, 'WITHSCORES')[2] or '0')
for position, entry in ipairs(new) do
    redis.call('ZADD', ORDER, string.format('%.0f', last + position), entry[1])
    redis.call('HSET', ROWS, entry[1], entry[2])
end
return #new
