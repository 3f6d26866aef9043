-- Recall: make tokens dirty again that were flushed, and are still remembered; Postgres may have lost
-- what it had taken. Versions stay as they are, so that it can be told what it has.
--
-- KEYS  1 td:dirty
-- ARGV  1 mints: JSON list
-- Answer  how many had been clean.
--
-- The layout of td:token:<mint> is told in append.lua.

local DIRTY = KEYS[1]
local TWO_DOUBLES = '>dd'

local recalled = 0
for _, mint in ipairs(cjson.decode(ARGV[1])) do
    local key = 'td:token:' .. mint
    local marks = redis.call('HGET', key, '.')
    if marks then
        local newest = struct.unpack(TWO_DOUBLES, marks)
        redis.call('HSET', key, '.', struct.pack(TWO_DOUBLES, newest, 0))
        redis.call('PERSIST', key)
        recalled = recalled + redis.call('ZADD', DIRTY, 'NX', string.format('%.0f', newest), mint)
    end
end
return recalled
