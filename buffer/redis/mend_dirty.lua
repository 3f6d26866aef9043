-- Mend dirty: put tokens with unflushed fields back into td:dirty, where their entries were lost.
--
-- KEYS  1 td:dirty
-- ARGV  1 mints: JSON list
-- Answer  how many were put back.
--
-- The layout of td:token:<mint> is told in append.lua.

local DIRTY = KEYS[1]

local mended = 0
for _, mint in ipairs(cjson.decode(ARGV[1])) do
    local marks = redis.call('HGET', 'td:token:' .. mint, '.')
    if marks then
        local newest, cleared = struct.unpack('>dd', marks)
        if newest > cleared then
            mended = mended + redis.call('ZADD', DIRTY, 'NX', string.format('%.0f', newest), mint)
        end
    end
end
return mended
