-- Append: merge one batch of observations into the tokens' hashes, give the changes versions,
-- mark their tokens dirty, and publish them. One call a batch. It repeats domain/merging.py; the
-- contract suite holds the two together.
--
-- KEYS  1 td:version  2 td:epoch  3 td:dirty  4 td:changes  5 td:spool:order
-- ARGV  1 batch: one flat JSON list (a list a token would take twice the time), for each token
--           mint, count, is_forced, count names, count values, count times of observation;
--         a mint occurs once; a value is its JSON text; is_forced: equal values are changes, too
--       2 fields of which the greatest value wins: JSON object of true
--       3 least version to give, microseconds
--       4 newest version that the caller has been told
--       5 name for a new epoch
--       6 tokens in the batch  7 most tokens that may be dirty
--       8 entries to keep on the stream, about
--       9 seconds to remember a token without unflushed fields
--       10 1 when the caller puts back what was lost: that of a lost hash, too; and a token that its
--          marks call dirty is so even if no value of it changes
-- Answer  JSON {"epoch", "newest", "changed"}: for each token of the batch true (all fields),
--         false (none) or the names; the error FULL, with nothing done, past the bound.
--
-- td:token:<mint> is a hash. Field "." holds the token's marks, two doubles: its newest and its
-- cleared version. Every other field holds its version, its time and its value's text. Doubles
-- hold versions and times exactly, and struct reads them ten times as fast as a pattern would. A
-- field with a version above the cleared one is unflushed; a token with such a field stands in
-- td:dirty, by the version at which it became dirty. The hashes' keys are not in KEYS: a thousand
-- of them would double the cost of the call, and only Redis Cluster, which is not supported, asks
-- for them.
--
-- Every key but the stream can be lost alone, by eviction or by hand. As long as an epoch stands,
-- the version stands beside it, and td:dirty and td:spool:order each hold the member ".", by
-- score 0, where no version and no place is. So a list that was lost differs from an empty one.
-- Whoever finds something missing ends the epoch, and the callers put back what they hold.
--
-- Stream entries have one field, "changes": a JSON list of at most 50 changes, each
-- {"mint", "version", "observed_at", "values"}.

local VERSION, EPOCH, DIRTY, CHANGES, SPOOL_ORDER = unpack(KEYS)
local LANDMARK = '.'
local CHANGES_AN_ENTRY = 50
local batch = cjson.decode(ARGV[1])
local greatest_wins = cjson.decode(ARGV[2])
local least_version, newest_told, fresh_epoch = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local tokens, most_dirty = tonumber(ARGV[6]), tonumber(ARGV[7])
local stream_entries, clean_seconds = ARGV[8], ARGV[9]
local is_put_back = ARGV[10] == '1'

local call, concat, format = redis.call, table.concat, string.format
local pack, unpack_doubles = struct.pack, struct.unpack
local TWO_DOUBLES, AFTER_TWO_DOUBLES = '>dd', 17

local function version_text(version)
    return format('%.0f', version) -- tostring would round it to 14 digits
end

local has_landmark = call('ZSCORE', DIRTY, LANDMARK)
local waiting = call('ZCARD', DIRTY) - (has_landmark and 1 or 0)
if waiting + tokens > most_dirty then
    return redis.error_reply('FULL ' .. waiting .. ' tokens wait to be flushed')
end

local newest_stored = tonumber(call('GET', VERSION) or nil)
local epoch = call('GET', EPOCH)
-- A newest version below what the caller has been told means that data was lost, if only the
-- last second's, as by a server that had not yet written it to its disk.
local is_whole = epoch and has_landmark and newest_stored and newest_stored >= newest_told
local newest = math.max(newest_stored or 0, newest_told)

local function begin_epoch()
    epoch = fresh_epoch
    call('SET', EPOCH, epoch)
    call('ZADD', DIRTY, 0, LANDMARK)
    call('ZADD', SPOOL_ORDER, 0, LANDMARK)
end

if not is_whole then
    begin_epoch()
    -- Without the version that was lost, at least no entry of the list may be newer.
    newest = math.max(newest, tonumber(call('ZRANGE', DIRTY, -1, -1, 'WITHSCORES')[2]))
    newest_stored = nil
end

local changes, changes_count = {}, 0

local function publish()
    if changes_count > 0 then
        call('XADD', CHANGES, 'MAXLEN', '~', stream_entries, '*',
            'changes', '[' .. concat(changes, ',', 1, changes_count) .. ']')
        changes_count = 0
    end
end

local function add_change(mint, version, observed_at, members)
    changes_count = changes_count + 1
    changes[changes_count] = '{"mint":' .. cjson.encode(mint)
        .. ',"version":' .. version_text(version)
        .. ',"observed_at":' .. format('%.17g', observed_at)
        .. ',"values":{' .. members .. '}}'
    if changes_count == CHANGES_AN_ENTRY then
        publish()
    end
end

local function supersedes(name, value, observed_at, old_value, old_at)
    if greatest_wins[name] then
        return tonumber(value) > tonumber(old_value)
    end
    return observed_at >= old_at
end

-- The version of the token's newest change, and the one up to which it was flushed.
local function marks_of(marks)
    if marks then
        return unpack_doubles(TWO_DOUBLES, marks)
    end
    return 0, 0
end

-- What a sighting of a field means: is it a change, when was it observed, and, if only our time
-- of it is to move, the version that it keeps.
local function judge(name, value, observed_at, old, is_forced)
    if not old then
        return true, observed_at, nil
    end
    local old_version, old_at = unpack_doubles(TWO_DOUBLES, old)
    local old_value = string.sub(old, AFTER_TWO_DOUBLES)
    if value ~= old_value then
        return supersedes(name, value, observed_at, old_value, old_at), observed_at, nil
    end
    if is_forced then
        return true, math.max(observed_at, old_at), nil
    end
    return false, observed_at, observed_at > old_at and old_version or nil
end

-- Filled anew for every token; their lengths are counted, not asked, because what a longer
-- token left behind stays in them.
local writes, members, changed = {}, {}, {}
local has_lost_hash = false

-- Write a changed token's hash; a dirty one never expires.
local function write_changed(mint, key, last, cleared, version, writes_count)
    if last <= cleared then
        if call('ZADD', DIRTY, version_text(version), mint) == 0 then
            has_lost_hash = not is_put_back -- it was dirty: with its marks went unflushed values
        end
        if last > 0 then
            call('PERSIST', key)
        end
    end
    writes[writes_count + 1] = '.'
    writes[writes_count + 2] = pack(TWO_DOUBLES, version, cleared)
    call('HSET', key, unpack(writes, 1, writes_count + 2))
end

-- Put a token back into the list of dirty tokens, where its entry was lost.
local function restore_dirty_entry(mint, last, cleared)
    if last > cleared then
        call('ZADD', DIRTY, 'NX', version_text(last), mint)
    end
end

-- Write new times of unchanged values; they keep a clean token remembered.
local function write_sighted(key, last, cleared, writes_count)
    call('HSET', key, unpack(writes, 1, writes_count))
    if last <= cleared then
        call('EXPIRE', key, clean_seconds)
    end
end

-- Merge what the batch says of one token from position `first` on; how many fields changed.
local function merge(mint, count, is_forced, first)
    local key = 'td:token:' .. mint
    local stored = call('HMGET', key, '.', unpack(batch, first, first + count - 1))
    local last, cleared = marks_of(stored[1])
    -- Above the token's own: td:version may have been lost, and the clock set back.
    local version = math.max(newest + 1, least_version, last + 1)
    local writes_count, changed_count, newest_at = 0, 0, 0
    for offset = 0, count - 1 do
        local name, value = batch[first + offset], batch[first + count + offset]
        local is_change, observed_at, kept_version =
            judge(name, value, batch[first + 2 * count + offset], stored[offset + 2], is_forced)
        if is_change then
            changed_count = changed_count + 1
            changed[changed_count] = name
            members[changed_count] = '"' .. name .. '":' .. value
            newest_at = math.max(newest_at, observed_at)
        end
        if is_change or kept_version then
            writes[writes_count + 1] = name
            writes[writes_count + 2] =
                pack(TWO_DOUBLES, kept_version or version, observed_at) .. value
            writes_count = writes_count + 2
        end
    end
    if is_put_back or changed_count > 0 then
        restore_dirty_entry(mint, last, cleared)
    end
    if changed_count > 0 then
        newest = version
        write_changed(mint, key, last, cleared, version, writes_count)
        add_change(mint, version, newest_at, concat(members, ',', 1, changed_count))
    elseif writes_count > 0 then
        write_sighted(key, last, cleared, writes_count)
    end
    return changed_count
end

local answers = {}
local position = 1
for token = 1, tokens do
    local mint, count, is_forced = batch[position], batch[position + 1], batch[position + 2]
    local changed_count = merge(mint, count, is_forced, position + 3)
    if changed_count == count then
        answers[token] = 'true'
    elseif changed_count == 0 then
        answers[token] = 'false'
    else
        answers[token] = '["' .. concat(changed, '","', 1, changed_count) .. '"]'
    end
    position = position + 3 + 3 * count
end
publish()

if has_lost_hash then
    begin_epoch()
end
if newest ~= newest_stored then
    call('SET', VERSION, version_text(newest))
end
return '{"epoch":' .. cjson.encode(epoch) .. ',"newest":' .. version_text(newest)
    .. ',"changed":[' .. concat(answers, ',') .. ']}'
