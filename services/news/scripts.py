"""What happens in Redis as one step, in Lua. Every script may run twice, and late.

Each touches keys of one user only (the `{user}` in their names), so that a cluster can hold them. Versions
and positions are texts that sort as what they stand for. A `gone` key is a tombstone: the version at which a
link or an edge ended, kept longer than any event may still come.
"""

from __future__ import annotations

# KEYS links items meta followers deleted
# ARGV bound, cap, tombstone s, prefix of tombstones, generation wanted or '', floor: '' as it is | '-' none,
#      then of each link: id (8 bytes), version, position ('' when it is not to be shown), body
# -> state, hot, followers, whether the list became too short, positions that are in the list now
PUT_LINKS = """
local links, items, meta = KEYS[1], KEYS[2], KEYS[3]
local bound, cap, ttl, prefix = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
if redis.call('EXISTS', KEYS[5]) == 1 then return {'deleted', 0, 0, 0} end
if ARGV[5] ~= '' and (redis.call('HGET', meta, 'generation') or '0') ~= ARGV[5] then
  return {'changed', 0, 0, 0}
end
redis.call('HINCRBY', meta, 'generation', 1)
local first = string.rep('\\0', 7) .. '\\1'
local function drop(position, version)
  local id = string.sub(position, 9, 16)
  redis.call('ZREM', links, position)
  redis.call('HDEL', items, id)
  if version > first then redis.call('SET', prefix .. id, version, 'EX', ttl) end
end
local function trim(positions)
  for _, position in ipairs(positions) do
    local known = redis.call('HGET', items, string.sub(position, 9, 16))
    drop(position, known and string.sub(known, 25, 32) or first)
  end
end
if ARGV[6] == '-' then
  redis.call('HDEL', meta, 'floor')
elseif ARGV[6] ~= '' then
  redis.call('HSET', meta, 'floor', ARGV[6])
  trim(redis.call('ZRANGEBYLEX', links, '-', '[' .. ARGV[6]))
end
local floor = redis.call('HGET', meta, 'floor') or ''
local put = {}
for i = 7, #ARGV, 4 do
  local id, version, position, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local known = redis.call('HGET', items, id)
  local latest = known and string.sub(known, 25, 32) or ''
  local gone = redis.call('GET', prefix .. id)
  if gone and gone > latest then latest = gone end
  if version >= latest then
    local had = known and string.sub(known, 1, 24)
    if had and had ~= position then redis.call('ZREM', links, had) end
    if position ~= '' and position > floor then
      redis.call('ZADD', links, 0, position)
      redis.call('HSET', items, id, position .. version .. body)
      put[#put + 1] = position
    else
      redis.call('HDEL', items, id)
      if version > first then redis.call('SET', prefix .. id, version, 'EX', ttl) end
    end
  end
end
local over = redis.call('ZCARD', links) - bound
if over > 0 then
  local lowest = redis.call('ZRANGE', links, 0, over - 1)
  trim(lowest)
  floor = lowest[#lowest]
  redis.call('HSET', meta, 'floor', floor)
end
local short = 0
if floor ~= '' and redis.call('ZCARD', links) < cap then short = 1 end
local hot = redis.call('HEXISTS', meta, 'hot')
local answer = {'done', hot, redis.call('HLEN', KEYS[4]), short}
for _, position in ipairs(put) do
  if position > floor then answer[#answer + 1] = position end
end
return answer
"""

# KEYS edges meta deleted gone; ARGV the other's id, version, '1' | '0', tombstone s, '1' on a reader's side
# -> state, edges, hot
SET_EDGE = """
if redis.call('EXISTS', KEYS[3]) == 1 then return {'deleted', 0, 0} end
local latest = redis.call('HGET', KEYS[1], ARGV[1]) or ''
local gone = redis.call('GET', KEYS[4])
if gone and gone > latest then latest = gone end
local state = 'late'
if ARGV[2] >= latest then
  state = 'done'
  if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[2], 'generation', 1) end
  if ARGV[3] == '1' then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  else
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[4])
  end
end
return {state, redis.call('HLEN', KEYS[1]), redis.call('HEXISTS', KEYS[2], 'hot')}
"""

# KEYS timeline following meta; ARGV author, bound, channel ('': silently), positions -> how many are new
ADD_TO_TIMELINE = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[3], 'generation', 1)
local floor = redis.call('HGET', KEYS[3], 'floor') or ''
local new = 0
for i = 4, #ARGV do
  if ARGV[i] > floor then new = new + redis.call('ZADD', KEYS[1], 0, ARGV[i]) end
end
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2])
if over > 0 then
  local lowest = redis.call('ZPOPMIN', KEYS[1], over)
  redis.call('HSET', KEYS[3], 'floor', lowest[#lowest - 1])
end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], '') end
return new
"""

# KEYS timeline meta deleted; ARGV generation wanted, floor or '', positions -> whether it was done
REPLACE_TIMELINE = """
if redis.call('EXISTS', KEYS[3]) == 1 then return 1 end
if (redis.call('HGET', KEYS[2], 'generation') or '0') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], 0, ARGV[i]) end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[2], 'floor')
else
  redis.call('HSET', KEYS[2], 'floor', ARGV[2])
end
return 1
"""

# KEYS timeline meta; ARGV upper bound (ZREVRANGEBYLEX), how many -> floor, positions
READ_TIMELINE = """
local answer = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], '-', 'LIMIT', 0, ARGV[2])
table.insert(answer, 1, redis.call('HGET', KEYS[2], 'floor') or '')
return answer
"""

# KEYS following meta -> generation, ids
READ_FOLLOWING = """
local answer = redis.call('HKEYS', KEYS[1])
table.insert(answer, 1, redis.call('HGET', KEYS[2], 'generation') or '0')
return answer
"""

# KEYS state builder retired; ARGV token, lease ms, epoch, now s -> whether it may be built
BEGIN = """
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local left = redis.call('HGET', KEYS[1], 'building')
if left then redis.call('ZADD', KEYS[3], ARGV[4], left) end
redis.call('HSET', KEYS[1], 'building', ARGV[3], 'building_since', ARGV[4])
return 1
"""

# KEYS builder; ARGV token, lease ms -> whether it is still the builder's
EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# KEYS state builder retired; ARGV token, epoch, now s, run id -> whether it is in force
SWITCH = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'building') ~= ARGV[2] then return 0 end
local old = redis.call('HGET', KEYS[1], 'current')
if old then redis.call('ZADD', KEYS[3], ARGV[3], old) end
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'since', redis.call('HGET', KEYS[1], 'building_since'),
  'run_id', ARGV[4])
redis.call('HDEL', KEYS[1], 'building', 'building_since')
redis.call('DEL', KEYS[2])
return 1
"""

# KEYS state builder retired; ARGV token ('' when the builder is gone), now s -> whether it was given up
ABANDON = """
local builder = redis.call('GET', KEYS[2])
if (builder or '') ~= ARGV[1] then return 0 end
local left = redis.call('HGET', KEYS[1], 'building')
if not left then return 0 end
redis.call('ZADD', KEYS[3], ARGV[2], left)
redis.call('HDEL', KEYS[1], 'building', 'building_since')
redis.call('DEL', KEYS[2])
return 1
"""
