-- Quarantine: put entries on the shelf, the latest of an id last; past the bound the oldest go.
-- Shelves are told in spool.lua; this one is of ids, and has no landmark: what it loses is gone.
--
-- KEYS  1 the shelf's order  2 the shelf's rows
-- ARGV  1 batch: JSON list of [id, entry]  2 most entries on the shelf
-- Answer  how many went.

local ORDER, ROWS = KEYS[1], KEYS[2]

local last = tonumber(redis.call('ZRANGE', ORDER, -1, -1, 'WITHSCORES')[2] or '0')
for position, entry in ipairs(cjson.decode(ARGV[1])) do
    redis.call('ZADD', ORDER, string.format('%.0f', last + position), entry[1])
    redis.call('HSET', ROWS, entry[1], entry[2])
end

local excess = redis.call('ZCARD', ORDER) - tonumber(ARGV[2])
if excess <= 0 then
    return 0
end
local gone = redis.call('ZPOPMIN', ORDER, excess)
for position = 1, #gone, 2 do
    redis.call('HDEL', ROWS, gone[position])
end
return excess
