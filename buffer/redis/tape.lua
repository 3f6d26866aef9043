-- Keep new candles and trades of many tokens.
-- KEYS  a token's hash of candles and its list of trades, one pair a token
-- ARGV  bytes of a candle, lifetime of candles, most hours of candles, lifetime of trades, most trades;
--       then for each token: candles, (hour, record)..., trades, record...
-- A record of a candle begins with its minute of the hour in one byte, and takes the place of the one that is
-- there of the same minute; only the newest few of an hour are looked at, for no others change.

local place = 0
local function take()
    place = place + 1
    return ARGV[place]
end

local size, candle_seconds, most_hours = tonumber(take()), take(), tonumber(take())
local trade_seconds, most_trades = take(), tonumber(take())
local LOOKED_AT = 5

local function put_candle(key, hour, record)
    local kept = redis.call('HGET', key, hour)
    if not kept then
        redis.call('HSET', key, hour, record)
        if redis.call('HLEN', key) > most_hours then
            for _, each in ipairs(redis.call('HKEYS', key)) do
                if tonumber(each) <= tonumber(hour) - most_hours then
                    redis.call('HDEL', key, each)
                end
            end
        end
        return
    end
    local minute = record:sub(1, 1)
    for back = 1, LOOKED_AT do
        local start = #kept - back * size + 1
        if start >= 1 and kept:sub(start, start) == minute then
            redis.call('HSET', key, hour, kept:sub(1, start - 1) .. record .. kept:sub(start + size))
            return
        end
    end
    redis.call('HSET', key, hour, kept .. record)
end

for token = 1, #KEYS, 2 do
    local candles, trades = KEYS[token], KEYS[token + 1]
    local count = tonumber(take())
    for _ = 1, count do
        local hour = take()
        put_candle(candles, hour, take())
    end
    if count > 0 then
        redis.call('EXPIRE', candles, candle_seconds)
    end
    count = tonumber(take())
    for _ = 1, count do
        redis.call('RPUSH', trades, take())
    end
    if count > 0 then
        redis.call('LTRIM', trades, -most_trades, -1)
        redis.call('EXPIRE', trades, trade_seconds)
    end
end
