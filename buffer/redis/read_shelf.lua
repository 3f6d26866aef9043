-- Read shelf: read the oldest rows of a shelf (told in spool.lua), in order.
--
-- KEYS  1 the shelf's order  2 the shelf's rows
--       3 td:epoch, for the spool: a place whose row was lost ends it
-- ARGV  1 most rows
-- Answer  JSON list of the rows.

local ORDER, ROWS, EPOCH = KEYS[1], KEYS[2], KEYS[3]
local most = tonumber(ARGV[1])

-- The rows, and whether all were there; the places of lost ones are removed.
local function read_page()
    local rows, is_whole = {}, true
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', ORDER, '(0', '+inf', 'LIMIT', 0, most)) do
        local row = redis.call('HGET', ROWS, name)
        if row then
            rows[#rows + 1] = row
        else
            redis.call('ZREM', ORDER, name)
            is_whole = false
        end
    end
    return rows, is_whole
end

local rows, is_whole = read_page()
if not is_whole and EPOCH then
    redis.call('DEL', EPOCH)
end
while not is_whole do
    rows, is_whole = read_page() -- none only when the shelf is empty
end
return '[' .. table.concat(rows, ',') .. ']'
