-- Shelved: the oldest rows of a shelf (told in spool.lua), in order.
--
-- KEYS  1 the shelf's order  2 the shelf's rows
-- ARGV  1 most rows
-- Answer  JSON list of the rows.

local rows = {}
for _, mint in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
    rows[#rows + 1] = redis.call('HGET', KEYS[2], mint) or nil
end
return '[' .. table.concat(rows, ',') .. ']'
