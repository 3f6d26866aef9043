-- Dirty: one page of tokens with unflushed fields, the longest dirty first.
--
-- KEYS  1 td:dirty  2 td:epoch
-- ARGV  1 version after which the page begins  2 most tokens
-- Answer  JSON list of {"mint", "version", "dirty_since", "observed_at", "values"}.
--
-- The layout of td:token:<mint> is told in append.lua. Values pass through as JSON text.

local DIRTY, EPOCH = KEYS[1], KEYS[2]
local TWO_DOUBLES, AFTER_TWO_DOUBLES = '>dd', 17

local function row(mint, dirty_since, stored)
    local fields = {}
    for position = 1, #stored, 2 do
        fields[stored[position]] = stored[position + 1]
    end
    local newest, cleared = struct.unpack(TWO_DOUBLES, fields['.'])
    fields['.'] = nil
    local members, observed_at = {}, 0
    for name, field in pairs(fields) do
        local version, field_at = struct.unpack(TWO_DOUBLES, field)
        if version > cleared then
            members[#members + 1] = '"' .. name .. '":' .. string.sub(field, AFTER_TWO_DOUBLES)
            observed_at = math.max(observed_at, field_at)
        end
    end
    local versions = string.format('"version":%.0f,"dirty_since":%.0f', newest, dirty_since)
    return '{"mint":' .. cjson.encode(mint) .. ',' .. versions
        .. ',"observed_at":' .. string.format('%.17g', observed_at)
        .. ',"values":{' .. table.concat(members, ',') .. '}}'
end

local page = redis.call('ZRANGEBYSCORE', DIRTY, '(' .. ARGV[1], '+inf',
    'WITHSCORES', 'LIMIT', 0, ARGV[2])
local rows = {}
for position = 1, #page, 2 do
    local mint, dirty_since = page[position], tonumber(page[position + 1])
    local stored = redis.call('HGETALL', 'td:token:' .. mint)
    if #stored > 0 then
        rows[#rows + 1] = row(mint, dirty_since, stored)
    else
        -- Somebody deleted or evicted the hash: data was lost, so this life of it is over.
        redis.call('ZREM', DIRTY, mint)
        redis.call('DEL', EPOCH)
    end
end
return '[' .. table.concat(rows, ',') .. ']'
