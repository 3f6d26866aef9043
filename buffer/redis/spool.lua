-- Spool: put new tokens on the shelf, in order; a mint that is there stays as it is.
-- A shelf is a sorted set of mints, by order of arrival from 1 on, and a hash of their rows. The
-- spool's order holds a landmark, too (append.lua). Where the place or the row of a mint was lost,
-- it is put back, and the other is kept.
--
-- The version moves, as with an append: else a server that has lost just these tokens, as a replica
-- that was promoted before it got them, could not be told from one that has them.
--
-- KEYS  1 the shelf's order  2 the shelf's rows  3 td:version  4 td:epoch
-- ARGV  1 batch: JSON list of [mint, row]  2 most mints on the shelf
--       3 least version to give, microseconds  4 newest version that the caller has been told
-- Answer  the newest version; the error FULL, with nothing done, past the bound.

local ORDER, ROWS, VERSION, EPOCH = unpack(KEYS)
local LANDMARK = '.'
local batch = cjson.decode(ARGV[1])
local least_version, newest_told = tonumber(ARGV[3]), tonumber(ARGV[4])

local new, seen = {}, {}
for _, entry in ipairs(batch) do
    local mint = entry[1]
    if not seen[mint] and not redis.call('ZSCORE', ORDER, mint) then
        new[#new + 1] = mint
        seen[mint] = true
    end
end

local waiting = redis.call('ZCARD', ORDER) - (redis.call('ZSCORE', ORDER, LANDMARK) and 1 or 0)
if waiting + #new > tonumber(ARGV[2]) then
    return redis.error_reply('FULL ' .. waiting .. ' new tokens wait to be stored')
end

local last = tonumber(redis.call('ZRANGE', ORDER, -1, -1, 'WITHSCORES')[2] or '0')
for position, mint in ipairs(new) do
    redis.call('ZADD', ORDER, string.format('%.0f', last + position), mint)
end
for _, entry in ipairs(batch) do
    redis.call('HSETNX', ROWS, entry[1], entry[2])
end

local newest = tonumber(redis.call('GET', VERSION) or nil)
if not newest or newest < newest_told then
    redis.call('DEL', EPOCH) -- the new version would hide what was lost
end
local version = math.max((newest or 0) + 1, least_version, newest_told + 1)
redis.call('SET', VERSION, string.format('%.0f', version))
return version
