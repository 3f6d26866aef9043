-- Remove from shelf: forget rows of a shelf (told in spool.lua).
--
-- KEYS  1 the shelf's order  2 the shelf's rows
-- ARGV  1 mints: JSON list
-- Answer  how many were there.

local gone = 0
for _, mint in ipairs(cjson.decode(ARGV[1])) do
    gone = gone + redis.call('ZREM', KEYS[1], mint)
    redis.call('HDEL', KEYS[2], mint)
end
return gone
