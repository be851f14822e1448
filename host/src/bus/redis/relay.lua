-- Appends a group's outputs to another stream, each once. KEYS[1] is that stream, KEYS[2] the
-- prefix, in its slot, of what is remembered of this group's outputs:
--   :n HASH output -> its entry, for one deduplication window
-- ARGV: window, then for each output: what it is known by, fields, names and values.
-- Outputs that are there already are passed over, so that the same ones may be sent by several
-- hosts, and again after a lost reply.
local stream, window = KEYS[1], tonumber(ARGV[1])

local kind = redis.call('TYPE', stream).ok
if kind ~= 'stream' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. stream .. ' is a ' .. kind .. ' and no stream')
end

local time = redis.call('TIME')
local bucket = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / window)
local relayed, relayed_before = KEYS[2] .. ':' .. bucket, KEYS[2] .. ':' .. (bucket - 1)

local at = 2
while at <= #ARGV do
  local output, values = ARGV[at], 2 * tonumber(ARGV[at + 1])
  if redis.call('HEXISTS', relayed, output) == 0 and redis.call('HEXISTS', relayed_before, output) == 0 then
    local id = redis.call('XADD', stream, '*', unpack(ARGV, at + 2, at + 1 + values))
    redis.call('HSET', relayed, output, id)
  end
  at = at + 2 + values
end
redis.call('PEXPIRE', relayed, 2 * window)
