-- Remove from shelf: forget rows of a shelf (told in spool.lua).
--
-- KEYS  1 the shelf's order  2 the shelf's rows
-- ARGV  1 names (mints, ids): JSON list
-- Answer  how many were there.

local gone = 0
for _, name in ipairs(cjson.decode(ARGV[1])) do
    gone = gone + redis.call('ZREM', KEYS[1], name)
    redis.call('HDEL', KEYS[2], name)
end
return gone
