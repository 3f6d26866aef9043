-- Clear: forget what was flushed up to a version. What changed after it stays, and keeps its
-- token dirty from the oldest such change on.
--
-- KEYS  1 td:dirty
-- ARGV  1 flushed: JSON [mints, versions]
--       2 seconds to remember a token without unflushed fields
-- Answer  how many tokens are clean thereby.
--
-- The layout of td:token:<mint> is told in append.lua.

local DIRTY = KEYS[1]
local mints, versions = unpack(cjson.decode(ARGV[1]))
local clean_seconds = ARGV[2]
local TWO_DOUBLES = '>dd'

-- The least version above `cleared` among the token's fields. The marks of the hash are read
-- along with them: they begin with its newest version, which is never less.
local function oldest_unflushed(key, cleared)
    local oldest = math.huge
    for _, field in ipairs(redis.call('HVALS', key)) do
        local version = struct.unpack('>d', field)
        if version > cleared then
            oldest = math.min(oldest, version)
        end
    end
    return oldest
end

-- 1 if the token is clean thereby, else 0.
local function clear(mint, version)
    local key = 'td:token:' .. mint
    local marks = redis.call('HGET', key, '.')
    if not marks then
        return 0 -- the next page of dirty tokens shows the loss
    end
    local newest, cleared = struct.unpack(TWO_DOUBLES, marks)
    if newest <= cleared or version <= cleared then
        return 0
    end
    -- First of all, because a server out of memory lets only those scripts write that have
    -- begun by removing something; and it is the flush that makes room.
    redis.call('ZREM', DIRTY, mint)
    cleared = math.min(version, newest)
    redis.call('HSET', key, '.', struct.pack(TWO_DOUBLES, newest, cleared))
    if cleared < newest then
        local dirty_since = string.format('%.0f', oldest_unflushed(key, cleared))
        redis.call('ZADD', DIRTY, dirty_since, mint)
        return 0
    end
    redis.call('EXPIRE', key, clean_seconds)
    return 1
end

local clean = 0
for place, mint in ipairs(mints) do
    clean = clean + clear(mint, versions[place])
end
return clean
