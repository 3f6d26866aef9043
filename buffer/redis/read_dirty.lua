-- Read dirty: read one page of the tokens with unflushed fields, the longest dirty first, and see
-- whether the data is whole. What is found to be missing ends the epoch.
--
-- KEYS  1 td:dirty  2 td:epoch  3 td:version  4 td:spool:order  5 td:spool:rows
-- ARGV  1 version after which the page begins  2 most tokens
--       3 newest version that the caller has been told
--       4 plain fields: JSON object of the type, "float", "int" or "bool"
-- Answer  two texts. JSON [epoch, newest, mints, versions, dirty_since, observed_at, places]: the
--         epoch, empty when data was lost and nothing appended since; the newest version; of each
--         token one entry in each list; the places (from 0) of tokens with a value that is not
--         plain. And the values of each token, a JSON object, with an ASCII record separator
--         between two.
--
-- The layout of td:token:<mint> and the landmarks are told in append.lua, the spool in spool.lua.
-- Values pass through as JSON text. A plain one (buffer.codec.is_plain) will not be read either
-- before Postgres does.

local DIRTY, EPOCH, VERSION, SPOOL_ORDER, SPOOL_ROWS = unpack(KEYS)
local LANDMARK, MARKS = '.', '.'
local TWO_DOUBLES, AFTER_TWO_DOUBLES = '>dd', 17
local MINUS, ZERO, NINE = 45, 48, 57
local RECORD_SEPARATOR = '\30'
local after, most, newest_told = ARGV[1], ARGV[2], tonumber(ARGV[3])
local plain_fields = cjson.decode(ARGV[4])
local byte, concat, find, format, sub = string.byte, table.concat, string.find, string.format, string.sub
local unpack_doubles = struct.unpack

local function is_plain(name, text)
    local kind = plain_fields[name]
    if kind == 'float' then
        local first = byte(text)
        if first == MINUS then
            first = byte(text, 2)
        end
        return first >= ZERO and first <= NINE
    elseif kind == 'int' then
        return find(text, '^-?%d+$') ~= nil
    end
    return kind == 'bool' and (text == 'true' or text == 'false')
end

-- A page's columns, filled token by token.
local function new_columns()
    return {mints = {}, versions = {}, dirty_since = {}, observed_at = {}, places = {}, texts = {}}
end

-- `stored` is the token's hash, names and fields in turn.
local function add_row(columns, mint, dirty_since, marks, stored)
    local newest, cleared = unpack_doubles(TWO_DOUBLES, marks)
    local members, observed_at, is_all_plain = {}, 0, true
    for at = 1, #stored, 2 do
        local name = stored[at]
        local version, field_at = unpack_doubles(TWO_DOUBLES, stored[at + 1])
        if version > cleared and name ~= MARKS then
            local text = sub(stored[at + 1], AFTER_TWO_DOUBLES)
            is_all_plain = is_all_plain and is_plain(name, text)
            members[#members + 1] = '"' .. name .. '":' .. text
            observed_at = math.max(observed_at, field_at)
        end
    end
    local place = #columns.mints
    columns.mints[place + 1] = cjson.encode(mint)
    columns.versions[place + 1] = format('%.0f', newest)
    columns.dirty_since[place + 1] = dirty_since
    columns.observed_at[place + 1] = format('%.16e', observed_at)
    columns.texts[place + 1] = '{' .. concat(members, ',') .. '}'
    if not is_all_plain then
        columns.places[#columns.places + 1] = place
    end
end

local function find_marks(stored)
    for at = 1, #stored, 2 do
        if stored[at] == MARKS then
            return stored[at + 1]
        end
    end
end

-- One page, and whether every token's hash was there; the entries of lost ones are removed.
local function read_page()
    local page = redis.call('ZRANGEBYSCORE', DIRTY, '(' .. after, '+inf',
        'WITHSCORES', 'LIMIT', 0, most)
    local columns, is_whole = new_columns(), true
    for position = 1, #page, 2 do
        local mint, dirty_since = page[position], format('%.0f', tonumber(page[position + 1]))
        local stored = redis.call('HGETALL', 'td:token:' .. mint)
        local marks = find_marks(stored)
        if marks then
            add_row(columns, mint, dirty_since, marks, stored)
        else
            redis.call('ZREM', DIRTY, mint)
            is_whole = false
        end
    end
    return columns, is_whole
end

-- Whether every spooled token has its row and its place, and a spool that was lost shows.
local function is_spool_whole(has_epoch)
    local has_landmark = redis.call('ZSCORE', SPOOL_ORDER, LANDMARK)
    local places = redis.call('ZCARD', SPOOL_ORDER) - (has_landmark and 1 or 0)
    return (has_landmark or not has_epoch) and places == redis.call('HLEN', SPOOL_ROWS)
end

-- Remove places without a row, and give rows without a place one behind the others, by mint: the
-- order of a hash is that of a server's own random seed.
local function mend_spool()
    local entries = redis.call('ZRANGE', SPOOL_ORDER, 0, -1, 'WITHSCORES')
    local last = tonumber(entries[#entries] or '0')
    for position = 1, #entries, 2 do
        local mint = entries[position]
        if mint ~= LANDMARK and redis.call('HEXISTS', SPOOL_ROWS, mint) == 0 then
            redis.call('ZREM', SPOOL_ORDER, mint)
        end
    end
    local mints = redis.call('HKEYS', SPOOL_ROWS)
    table.sort(mints)
    for _, mint in ipairs(mints) do
        last = last + redis.call('ZADD', SPOOL_ORDER, 'NX', string.format('%.0f', last + 1), mint)
    end
end

local columns, is_whole = read_page()
local is_first_whole = is_whole
while not is_whole do
    columns, is_whole = read_page() -- only at the end is a page shorter than was asked for
end

local newest = tonumber(redis.call('GET', VERSION) or nil)
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
newest = newest or 0
if newest < newest_told then
    epoch = false -- the next append begins a new one
end
local lists = {}
for _, name in ipairs({'mints', 'versions', 'dirty_since', 'observed_at', 'places'}) do
    lists[#lists + 1] = '[' .. concat(columns[name], ',') .. ']'
end
return {
    '[' .. cjson.encode(epoch or '') .. format(',%.0f,', newest) .. concat(lists, ',') .. ']',
    concat(columns.texts, RECORD_SEPARATOR),
}
