-- Read dirty: read one page of the tokens with unflushed fields, the longest dirty first, and see
-- whether the data is whole. What is found to be missing ends the epoch.
--
-- KEYS  1 td:dirty  2 td:epoch  3 td:version  4 td:spool:order  5 td:spool:rows
-- ARGV  1 version after which the page begins  2 most tokens
--       3 newest version that the caller has been told
-- Answer  JSON [epoch, newest, changes]: the epoch, empty when data was lost and nothing appended
--         since; the newest version; of each token [mint, version, dirty_since, observed_at, values].
--
-- The layout of td:token:<mint> and the landmarks are told in append.lua, the spool in spool.lua.
-- Values pass through as JSON text.

local DIRTY, EPOCH, VERSION, SPOOL_ORDER, SPOOL_ROWS = unpack(KEYS)
local LANDMARK = '.'
local TWO_DOUBLES, AFTER_TWO_DOUBLES = '>dd', 17
local after, most, newest_told = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function row(mint, dirty_since, marks, fields)
    local newest, cleared = struct.unpack(TWO_DOUBLES, marks)
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

-- One page, and whether every token's hash was there; the entries of lost ones are removed.
local function read_page()
    local page = redis.call('ZRANGEBYSCORE', DIRTY, '(' .. after, '+inf',
        'WITHSCORES', 'LIMIT', 0, most)
    local rows, is_whole = {}, true
    for position = 1, #page, 2 do
        local mint, dirty_since = page[position], tonumber(page[position + 1])
        local stored, fields = redis.call('HGETALL', 'td:token:' .. mint), {}
        for at = 1, #stored, 2 do
            fields[stored[at]] = stored[at + 1]
        end
        local marks = fields['.']
        fields['.'] = nil
        if marks then
            rows[#rows + 1] = row(mint, dirty_since, marks, fields)
        else
            redis.call('ZREM', DIRTY, mint)
            is_whole = false
        end
    end
    return rows, is_whole
end

-- Whether every spooled token has its row and its place, and a spool that was lost shows.
local function is_spool_whole(has_epoch)
    local has_landmark = redis.call('ZSCORE', SPOOL_ORDER, LANDMARK)
    local places = redis.call('ZCARD', SPOOL_ORDER) - (has_landmark and 1 or 0)
    return (has_landmark or not has_epoch) and places == redis.call('HLEN', SPOOL_ROWS)
end

-- Remove places without a row, and give rows without a place one behind the others.
local function mend_spool()
    local entries = redis.call('ZRANGE', SPOOL_ORDER, 0, -1, 'WITHSCORES')
    local last = tonumber(entries[#entries] or '0')
    for position = 1, #entries, 2 do
        local mint = entries[position]
        if mint ~= LANDMARK and redis.call('HEXISTS', SPOOL_ROWS, mint) == 0 then
            redis.call('ZREM', SPOOL_ORDER, mint)
        end
    end
    for _, mint in ipairs(redis.call('HKEYS', SPOOL_ROWS)) do
        last = last + redis.call('ZADD', SPOOL_ORDER, 'NX', string.format('%.0f', last + 1), mint)
    end
end

local rows, is_whole = read_page()
local is_first_whole = is_whole
while not is_whole do
    rows, is_whole = read_page() -- only at the end is a page shorter than was asked for
end

local newest = redis.call('GET', VERSION)
local epoch = redis.call('GET', EPOCH)
local is_spool_sound = is_spool_whole(epoch)
if not is_spool_sound then
    mend_spool()
end
local has_landmark = redis.call('ZSCORE', DIRTY, LANDMARK)
if epoch and not (is_first_whole and is_spool_sound and has_landmark and newest) then
    redis.call('DEL', EPOCH)
    epoch = false
end
newest = tonumber(newest or '0')
if newest < newest_told then
    epoch = false -- the next append begins a new one
end
return '[' .. cjson.encode(epoch or '') .. string.format(',%.0f', newest)
    .. ',[' .. table.concat(rows, ',') .. ']]'
