-- What every script of a group shares. KEYS[1] is the stream, KEYS[2] the group's prefix
-- `{stream}:group`; all other keys of the group are made from the prefix and share its slot.
--
--   :lanes  HASH  lane -> how it is busy:
--                   consumer|entry|fence|attempt|alone  it is held; alone is 1 where its run is
--                                                       the only one in its host
--                   ''                                  its head waits, and it with its head
--                   aside                               all that it has waits aside
--                   stopped|entry|milliseconds          until an operator releases it
--   :wait   ZSET  lane \0 padded entry id, score 0: read and not handed out, in lane order
--   :ready  ZSET  lane -> when its head is due, in milliseconds
--   :try    HASH  entry -> failed runs | fences of the runs whose host was lost, each with a comma
--                 | when it is due where it waits aside | history of all these runs as JSON
--   :done:n HASH  event_id -> entry, for one deduplication window; where it was requeued, <n: its
--                 generations below n are done
--   :hosts  ZSET  consumer -> when its lease ends, in milliseconds
--   :meta   HASH  fence, duplicates, cursor, routes and window of the hosts, beat (the last
--                 heartbeat of any of them), grace (until when none is given up), stopped
--                 (lanes), held_back (entries that wait in stopped lanes)
--   :dlq    STREAM  dead letters
--   :purged STREAM  records of the ones that were deleted
--
-- The native pending list holds all that is read and not acknowledged, under one consumer:
-- who holds what is said by :lanes alone.

local stream, base = KEYS[1], KEYS[2]
local LANES, WAIT, READY, TRY = base .. ':lanes', base .. ':wait', base .. ':ready', base .. ':try'
local HOSTS, META, DLQ = base .. ':hosts', base .. ':meta', base .. ':dlq'
local group, consumer = ARGV[1], ARGV[2]

-- The records of a group are kept by the window that its hosts joined with, whatever another
-- caller is told.
local window = tonumber(redis.call('HGET', META, 'window') or ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local bucket = math.floor(now / window)
local DONE, DONE_BEFORE = base .. ':done:' .. bucket, base .. ':done:' .. (bucket - 1)

local UUID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'

local function uuid(value)
  if type(value) == 'string' and string.match(value, UUID) then
    return string.lower(value)
  end
end

local function waiting(lane, id)
  return lane .. '\0' .. pad(id)
end

-- The entry of a member of :wait.
local function entry_of(lane, member)
  return unpad(string.sub(member, #lane + 2))
end

local function json(text)
  local ok, value = pcall(cjson.decode, text)
  if ok and type(value) == 'table' then
    return value
  end
end

-- How often the event was requeued before.
local function generation_of(by_name)
  local digits = string.match(by_name.generation or '', '^%d+$')
  return digits and #digits <= 9 and tonumber(digits) or 0
end

-- Of a requeued event the entry counts: it may be a copy of before, sent by its producer.
local function is_done(event_id, id)
  local record = redis.call('HGET', DONE, event_id) or redis.call('HGET', DONE_BEFORE, event_id)
  local below = record and string.match(record, '^<(%d+)$')
  if not below then
    return record ~= false
  end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  return generation_of(entry and map(entry[2]) or {}) < tonumber(below)
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

-- Failed runs, lost runs, when it is due where it waits aside, and the history.
local function tried(id)
  local try = redis.call('HGET', TRY, id)
  if try then
    return string.match(try, '^(%d+)|([%d,]*)|(%d*)|(.*)$')
  end
  return '0', '', '', ''
end

-- Runs that have ended.
local function count_runs(failed, lost)
  local _, lost_runs = string.gsub(lost, ',', '')
  return failed + lost_runs
end

local function note_tries(id, failed, lost, aside_until, history)
  redis.call('HSET', TRY, id, table.concat({ failed, lost, aside_until, history }, '|'))
end

local function deliver(lane, id, fields, failed, lost, history)
  local fence = redis.call('HINCRBY', META, 'fence', 1)
  local attempt = count_runs(failed, lost) + 1
  redis.call('HSET', LANES, lane, table.concat({ consumer, id, fence, attempt, '' }, '|'))
  count_bytes(fields)
  return { id, lane, fence, attempt, history, lost, fields }
end

-- Consumer, entry, fence, attempt and alone of a lane that is held; nothing of any other.
local function parse(token)
  return string.match(token or '', '^(.*)|(.*)|(.*)|(.*)|(.*)$')
end

local function is_stopped(token)
  return string.sub(token, 1, 8) == 'stopped|'
end

local function first_waiting(lane, offset)
  return redis.call('ZRANGEBYLEX', WAIT, '[' .. lane .. '\0', '(' .. lane .. '\1', 'LIMIT', offset, 1)[1]
end

local function count_waiting(lane)
  return redis.call('ZLEXCOUNT', WAIT, '[' .. lane .. '\0', '(' .. lane .. '\1')
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

-- Hands out the lane's next entry that is still to be run, or frees the lane. What waits aside
-- is passed until it is due.
local function take_head(lane)
  redis.call('ZREM', READY, lane)
  local passed, soonest = 0, nil
  while true do
    local member = first_waiting(lane, passed)
    if not member then
      if soonest then
        redis.call('HSET', LANES, lane, 'aside')
        redis.call('ZADD', READY, soonest, lane)
      else
        redis.call('HDEL', LANES, lane)
      end
      return nil
    end
    local id = entry_of(lane, member)
    local failed, lost, aside_until, history = tried(id)
    local due = tonumber(aside_until) or 0
    local entry = due <= now and redis.call('XRANGE', stream, id, id)[1]
    if due > now then
      soonest = math.min(due, soonest or due)
      passed = passed + 1
    elseif not entry then
      bury({}, string.format(TRIMMED, id, ARGV[4], ARGV[4]))
      forget(lane, id)
    else
      local _, event_id = envelope(map(entry[2]))
      if event_id and is_done(event_id, id) then
        redis.call('HINCRBY', META, 'duplicates', 1)
        forget(lane, id)
      else
        redis.call('ZREM', WAIT, member)
        return deliver(lane, id, entry[2], failed, lost, history)
      end
    end
  end
end
