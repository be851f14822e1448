-- ARGV: group, consumer, window, now as text, budget, plugin that is to take them or '', then
-- the dead letters. Each is a step of its own: its checks come before its first write, and the
-- first write is one that Redis refuses when its memory is full.
local target_plugin = ARGV[6]

-- Fields that say who is to take an entry and for which time: they are written anew.
local OURS = { generation = true, target_group = true, target_plugin = true }

local function refusal(fields, by_name)
  if fields[#fields - 1] ~= 'hothouse' then
    return 'its last field is not `hothouse`: no host wrote it'
  elseif #fields == 2 then
    return 'its entry was trimmed from the stream: nothing is left of it to run'
  elseif #fields - 2 >= 2 * MOST_FIELDS then
    return 'its entry had more fields than a dead letter keeps: publish the event again'
  elseif not by_name.type and by_name.event and not json(by_name.event) then
    return 'its field `event` is no JSON object that can be read: it would fail again'
  end
end

local function requeue(letter)
  local found = redis.call('XRANGE', DLQ, letter, letter)[1]
  if not found then
    return { 'gone', false, 0 }
  end
  local fields = found[2]
  local by_name = map(fields)
  local reason = refusal(fields, by_name)
  if reason then
    return { 'refused', reason, 0 }
  end
  local _, event_id = envelope(by_name)
  local generation = generation_of(by_name) + 1
  local entry = {}
  for i = 1, #fields - 2, 2 do
    if not OURS[fields[i]] then
      entry[#entry + 1] = fields[i]
      entry[#entry + 1] = fields[i + 1]
    end
  end
  local function add(name, value)
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  add('generation', string.format('%d', generation))
  add('target_group', group)
  if target_plugin ~= '' then
    add('target_plugin', target_plugin)
  end
  local id = redis.call('XADD', stream, '*', unpack(entry))
  if event_id then
    redis.call('HDEL', DONE_BEFORE, event_id)
    redis.call('HSET', DONE, event_id, string.format('<%d', generation))
    redis.call('PEXPIRE', DONE, 2 * window)
  end
  redis.call('XDEL', DLQ, letter)
  return { 'appended', id, generation }
end

local replies = {}
for i = 7, #ARGV do
  replies[#replies + 1] = requeue(ARGV[i])
end
return replies
