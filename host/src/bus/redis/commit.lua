-- ARGV: group, consumer, window, now as text, budget, lease, advance, then for each commit:
--   lane, entry, fence, event_id or '', verdict
--   done:    dead letter or '', whether the lane stops, outputs, then for each: index in KEYS,
--            fields, names and values
--   retry:   delay in milliseconds, whether the lane goes on meanwhile, history
--   release: nothing more
-- Every check of a commit comes before its first write: Redis does not roll back. The first
-- write is one that Redis refuses when its memory is full, so that none of the others is done.
local lease, advance = tonumber(ARGV[6]), ARGV[7] == '1'
local at = 8

local function take()
  at = at + 1
  return ARGV[at - 1]
end

redis.call('ZADD', HOSTS, now + lease, consumer)

local function next_of(lane)
  if advance and has_budget() then
    return take_head(lane) or false
  end
  if first_waiting(lane, 0) then
    redis.call('HSET', LANES, lane, '')
    redis.call('ZADD', READY, now, lane)
  else
    redis.call('HDEL', LANES, lane)
    redis.call('ZREM', READY, lane)
  end
  return false
end

local function stop(lane, id)
  redis.call('HSET', LANES, lane, string.format('stopped|%s|%.0f', id, now))
  redis.call('HINCRBY', META, 'held_back', count_waiting(lane))
  redis.call('HINCRBY', META, 'stopped', 1)
end

local function retry(lane, id, verdict)
  local failed, lost = tried(id)
  local due = now + verdict.delay
  if verdict.aside then
    note_tries(id, failed + 1, lost, string.format('%.0f', due), verdict.history)
    redis.call('ZADD', WAIT, 0, waiting(lane, id))
    return next_of(lane)
  end
  note_tries(id, failed + 1, lost, '', verdict.history)
  park(lane, id, due)
  return false
end

-- The host that was given up is there after all: the run that it lost uses up no attempt.
local function give_back_attempt(id, fence)
  local failed, lost, due, history = tried(id)
  local found = string.find(',' .. lost, ',' .. fence .. ',', 1, true)
  if found then
    lost = string.sub(lost, 1, found - 1) .. string.sub(lost, found + #fence + 1)
    note_tries(id, failed, lost, due, history)
  end
end

local function append(output)
  redis.call('XADD', KEYS[output.key], '*', unpack(output.fields))
end

-- A key that is no stream must not stop a commit half way, nor the others of the batch.
local types = {}
local function unusable(key)
  types[key] = types[key] or redis.call('TYPE', key).ok
  if types[key] ~= 'stream' and types[key] ~= 'none' then
    return key .. ' is a ' .. types[key] .. ' and no stream'
  end
end

local function refusal(verdict)
  for _, output in ipairs(verdict.outputs) do
    local reason = unusable(KEYS[output.key])
    if reason then
      return reason
    end
  end
  return verdict.dead_letter ~= '' and unusable(DLQ)
end

local function finish(lane, id, event_id, verdict)
  if event_id ~= '' then
    redis.call('HSET', DONE, event_id, id)
    redis.call('PEXPIRE', DONE, 2 * window)
  end
  for _, output in ipairs(verdict.outputs) do
    append(output)
  end
  if verdict.dead_letter ~= '' then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    bury(entry and entry[2] or {}, verdict.dead_letter)
  end
  forget(lane, id)
end

local function read_verdict()
  local kind = take()
  if kind == 'retry' then
    return { kind = kind, delay = tonumber(take()), aside = take() == '1', history = take() }
  elseif kind == 'release' then
    return { kind = kind }
  end
  local verdict = { kind = kind, dead_letter = take(), stops = take() == '1', outputs = {} }
  for i = 1, tonumber(take()) do
    local output = { key = tonumber(take()), fields = {} }
    for j = 1, 2 * tonumber(take()) do
      output.fields[j] = take()
    end
    verdict.outputs[i] = output
  end
  return verdict
end

local replies = {}
while at <= #ARGV do
  local lane, id, fence, event_id = take(), take(), take(), take()
  local verdict = read_verdict()
  local held_by, held_id, held_fence = parse(redis.call('HGET', LANES, lane) or '')
  local mine = held_by == consumer and held_id == id and held_fence == fence
  local reply
  if not mine then
    local before = event_id ~= '' and is_done(event_id, id)
    give_back_attempt(id, fence)
    reply = { before and 'duplicate' or 'superseded', false }
  elseif verdict.kind == 'retry' then
    reply = { 'applied', retry(lane, id, verdict) }
  elseif verdict.kind == 'release' then
    park(lane, id, now)
    reply = { 'applied', false }
  elseif event_id ~= '' and is_done(event_id, id) then
    redis.call('HINCRBY', META, 'duplicates', 1)
    forget(lane, id)
    reply = { 'duplicate', next_of(lane) }
  else
    local reason = refusal(verdict)
    if reason then
      reply = { 'refused', reason }
    else
      finish(lane, id, event_id, verdict)
      if verdict.stops then
        stop(lane, id)
        reply = { 'applied', false }
      else
        reply = { 'applied', next_of(lane) }
      end
    end
  end
  replies[#replies + 1] = reply
end
return replies
