-- What every script of a group shares. KEYS[1] is the stream, KEYS[2] the group's prefix
-- `{stream}:group`; all other keys of the group are made from the prefix and share its slot.
--
--   :lanes  HASH  lane -> consumer|entry|fence|attempt while it is held, '' while its head waits
--   :wait   ZSET  lane \0 padded entry id, score 0: read and not handed out, in lane order
--   :ready  ZSET  lane -> when its head is due, in milliseconds
--   :try    HASH  entry -> attempts used | their history as JSON
--   :done:n HASH  event_id -> entry, for one deduplication window
--   :hosts  ZSET  consumer -> when its lease ends, in milliseconds
--   :meta   HASH  fence, duplicates, cursor
--   :dlq    STREAM
--
-- The native pending list holds all that is read and not acknowledged, under one consumer:
-- who holds what is said by :lanes alone.

local stream, base = KEYS[1], KEYS[2]
local LANES, WAIT, READY, TRY = base .. ':lanes', base .. ':wait', base .. ':ready', base .. ':try'
local HOSTS, META, DLQ = base .. ':hosts', base .. ':meta', base .. ':dlq'
local group, consumer, window = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local bucket = math.floor(now / window)
local DONE, DONE_BEFORE = base .. ':done:' .. bucket, base .. ':done:' .. (bucket - 1)

local function is_done(event_id)
  return redis.call('HEXISTS', DONE, event_id) == 1
    or redis.call('HEXISTS', DONE_BEFORE, event_id) == 1
end

local UUID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'

local function uuid(value)
  if type(value) == 'string' and string.match(value, UUID) then
    return string.lower(value)
  end
end

-- Sequence numbers do not sort as text: 1-10 comes before 1-9. Padded, they do.
local function pad(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function unpad(padded)
  local ms, seq = string.match(padded, '^0*(%d+)-0*(%d+)$')
  return ms .. '-' .. seq
end

local function waiting(lane, id)
  return lane .. '\0' .. pad(id)
end

local function map(fields)
  local by_name = {}
  for i = 1, #fields, 2 do
    by_name[fields[i]] = fields[i + 1]
  end
  return by_name
end

local function json(text)
  local ok, value = pcall(cjson.decode, text)
  if ok and type(value) == 'table' then
    return value
  end
end

-- Type, event_id and data of an entry; data as a table, or as text that is not parsed yet.
local function envelope(by_name)
  if not by_name.type and by_name.event then
    local whole = json(by_name.event) or {}
    return whole.type, uuid(whole.event_id), type(whole.data) == 'table' and whole.data or nil
  end
  return by_name.type, uuid(by_name.event_id), by_name.data
end

-- Once this many bytes of bodies are in a reply, no more entries are handed out with it: a
-- reply that takes longer than the host waits would be asked for again and again.
local budget = tonumber(ARGV[5])
local handed_out = 0

local function has_budget()
  return handed_out < budget
end

local function count_bytes(fields)
  for _, bytes in ipairs(fields) do
    handed_out = handed_out + #bytes
  end
end

local function park(lane, id, due)
  redis.call('ZADD', WAIT, 0, waiting(lane, id))
  redis.call('HSET', LANES, lane, '')
  redis.call('ZADD', READY, due, lane)
end

local function deliver(lane, id, fields)
  local used, history = 0, ''
  local try = redis.call('HGET', TRY, id)
  if try then
    used, history = string.match(try, '^(%d+)|(.*)$')
  end
  local fence = redis.call('HINCRBY', META, 'fence', 1)
  local attempt = used + 1
  redis.call('HSET', LANES, lane, table.concat({ consumer, id, fence, attempt }, '|'))
  count_bytes(fields)
  return { id, lane, fence, attempt, history, fields }
end

-- Consumer, entry, fence and attempt of a lane's value; nothing while its head waits.
local function parse(token)
  return string.match(token or '', '^(.*)|(.*)|(.*)|(.*)$')
end

local function history_of(id)
  local try = redis.call('HGET', TRY, id)
  return try and string.match(try, '^%d+|(.*)$') or ''
end

local TRIMMED = '{"entry_id":"%s","error_type":"host_error","error_message":"the entry was '
  .. 'trimmed from the stream before it was handled","attempts":0,"first_at":"%s","last_at":"%s",'
  .. '"history":[]}'

-- Lua hands on some 8000 values in one call: of a dead letter's fields the first ones count.
local MOST_FIELDS = 3000

local function bury(fields, reason)
  local values = { unpack(fields, 1, math.min(#fields, 2 * MOST_FIELDS)) }
  values[#values + 1] = 'hothouse'
  values[#values + 1] = reason
  redis.call('XADD', DLQ, '*', unpack(values))
end

local function forget(lane, id)
  redis.call('ZREM', WAIT, waiting(lane, id))
  redis.call('HDEL', TRY, id)
  redis.call('XACK', stream, group, id)
end

-- Hands out the lane's next entry that is still to be run, or frees the lane.
local function take_head(lane)
  redis.call('ZREM', READY, lane)
  while true do
    local member = redis.call('ZRANGEBYLEX', WAIT, '[' .. lane .. '\0', '(' .. lane .. '\1', 'LIMIT', 0, 1)[1]
    if not member then
      redis.call('HDEL', LANES, lane)
      return nil
    end
    local id = unpad(string.sub(member, #lane + 2))
    local entry = redis.call('XRANGE', stream, id, id)[1]
    if not entry then
      bury({}, string.format(TRIMMED, id, ARGV[4], ARGV[4]))
      forget(lane, id)
    else
      local _, event_id = envelope(map(entry[2]))
      if event_id and is_done(event_id) then
        redis.call('HINCRBY', META, 'duplicates', 1)
        forget(lane, id)
      else
        redis.call('ZREM', WAIT, member)
        return deliver(lane, id, entry[2])
      end
    end
  end
end
