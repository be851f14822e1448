-- Ids and fields of entries.

-- Sequence numbers do not sort as text: 1-10 comes before 1-9. Padded, they do.
local function pad(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function unpad(padded)
  local ms, seq = string.match(padded, '^0*(%d+)-0*(%d+)$')
  return ms .. '-' .. seq
end

local function map(fields)
  local by_name = {}
  for i = 1, #fields, 2 do
    by_name[fields[i]] = fields[i + 1]
  end
  return by_name
end

