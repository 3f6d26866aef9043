-- Dirty: one page of tokens with unflushed fields, the longest dirty first.
--
-- KEYS  1 td:dirty  2 td:epoch  3 td:version
-- ARGV  1 version after which the page begins  2 most tokens
--       3 newest version that the caller has been told
-- Answer  JSON [epoch, newest, changes]: the epoch, empty when data was lost and nothing appended
--         since; the newest version; of each token [mint, version, dirty_since, observed_at, values].
--
-- The layout of td:token:<mint> is told in append.lua. Values pass through as JSON text.

local DIRTY, EPOCH, VERSION = KEYS[1], KEYS[2], KEYS[3]
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
    return '[' .. cjson.encode(mint)
        .. string.format(',%.0f,%.0f,%.16e', newest, dirty_since, observed_at)
        .. ',{' .. table.concat(members, ',') .. '}]'
end

local function read()
    local page = redis.call('ZRANGEBYSCORE', DIRTY, '(' .. ARGV[1], '+inf',
        'WITHSCORES', 'LIMIT', 0, ARGV[2])
    local rows, is_whole = {}, true
    for position = 1, #page, 2 do
        local mint, dirty_since = page[position], tonumber(page[position + 1])
        local stored = redis.call('HGETALL', 'td:token:' .. mint)
        if #stored > 0 then
            rows[#rows + 1] = row(mint, dirty_since, stored)
        else
            -- Somebody deleted or evicted the hash: data was lost, so this life of it is over.
            redis.call('ZREM', DIRTY, mint)
            redis.call('DEL', EPOCH)
            is_whole = false
        end
    end
    return rows, is_whole
end

local rows, is_whole = read()
if not is_whole then
    rows = read() -- whole now: only at the end is a page shorter than was asked for
end

local newest = tonumber(redis.call('GET', VERSION) or '0')
local epoch = newest >= tonumber(ARGV[3]) and redis.call('GET', EPOCH) or ''
return '[' .. cjson.encode(epoch) .. string.format(',%.0f', newest)
    .. ',[' .. table.concat(rows, ',') .. ']]'
