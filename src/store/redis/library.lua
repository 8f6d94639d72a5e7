#!lua name=purser_4
-- What Purser does inside of Redis: compare what was read, then write, all at once. No rule is here.
-- Amounts and entries are texts that only pass through. The only numbers are counters below 2^53.

-- By the name of the key: what `meta` held after the last commit of this process, "FENCE COMMITS POSITION".
-- It is neither saved nor replicated, so that a restart, a failover, a restored or emptied database and a
-- lost write all show as a difference between the two.
local known = {}

local function number(value)
    return string.format('%.0f', value)
end

-- The id of the entry at a position.
local function id(position)
    return string.format('%.0f-0', position)
end

local function stale(key, meta)
    -- A database that is new to this process and empty has forgotten nothing.
    return { 'STALE', (known[key] == nil and meta == '') and 'new' or 'lost' }
end

-- The fence of this process, or that there is none.
local function fence(keys)
    local meta = redis.call('GET', keys[1]) or ''
    if meta == '' or meta ~= known[keys[1]] then
        return stale(keys[1], meta)
    end
    return { 'FENCE', (string.match(meta, '^(%S+)')) }
end

local function prefix_of(value)
    return value and string.match(value, '^%S+') or ''
end

-- The most texts of one command: all are handed over on Lua's stack. Even, so that pairs stay together.
local CHUNK = 1000

-- Calls a command with a key and a list of texts, as many at once as may be.
local function call(command, key, texts)
    for from = 1, #texts, CHUNK do
        redis.call(command, key, unpack(texts, from, math.min(from + CHUNK - 1, #texts)))
    end
end

local function differs(p)
    for _, checks in ipairs(p[3]) do
        local hash, fields, versions = checks[1], checks[2], checks[3]
        for from = 1, #fields, CHUNK do
            local there = redis.call('HMGET', hash, unpack(fields, from, math.min(from + CHUNK - 1, #fields)))
            for index, value in ipairs(there) do
                if prefix_of(value) ~= versions[from + index - 1] then
                    return true
                end
            end
        end
    end
    for _, count in ipairs(p[4]) do
        if number(redis.call('HLEN', count[1])) ~= count[2] then
            return true
        end
    end
    return false
end

-- Whether somebody has entered one of the draws before. What a commit is to write itself, or has read and
-- found too old to count, is none.
local function is_begun(begins)
    local days, fields, values, stale = begins[1], begins[2], begins[3], begins[4]
    for _, day in ipairs(days) do
        for from = 1, redis.call('EXISTS', day) == 1 and #fields or 0, CHUNK do
            local there = redis.call('HMGET', day, unpack(fields, from, math.min(from + CHUNK - 1, #fields)))
            for index, value in ipairs(there) do
                local at = from + index - 1
                if value and value ~= values[at] and not string.find(stale[at] or '', value, 1, true) then
                    return true
                end
            end
        end
    end
    return false
end

local function begin(begins)
    local days, fields, values, own = begins[1], begins[2], begins[3], begins[7]
    local pairs_of = {}
    for at = 1, #fields do
        pairs_of[2 * at - 1] = fields[at]
        pairs_of[2 * at] = values[at]
    end
    if #fields > 0 then
        call('HSET', days[1], pairs_of)
        redis.call('PEXPIRE', days[1], begins[5])
    end
    for _, field in ipairs(begins[6]) do
        for _, day in ipairs(days) do
            if string.sub(redis.call('HGET', day, field) or '', 1, #own) == own then
                redis.call('HDEL', day, field)
            end
        end
    end
end

local function write(p)
    for _, gone in ipairs(p[6]) do
        call('HDEL', gone[1], gone[2])
    end
    for _, extended in ipairs(p[7]) do
        local value = redis.call('HGET', extended[1], extended[2])
        if value then
            local rest = string.match(value, '^%S+( .*)$')
            redis.call('HSET', extended[1], extended[2], extended[3] .. rest)
        end
    end
    for _, put in ipairs(p[5]) do
        call('HSET', put[1], put[2])
    end
    for _, name in ipairs(p[8]) do
        redis.call('ZADD', name[1], name[3], name[2])
    end
    for _, name in ipairs(p[9]) do
        redis.call('ZREM', name[1], name[2])
    end
end

-- Appends runs of entries of one team, or of none: messages, of which each is how many entries it has, and these as
-- one text. The stream of all names a run of a team once, under the position of its last entry.
local function append(ledger, runs, position)
    for _, run in ipairs(runs) do
        local team, messages, first = run[1], run[2], position + 1
        local stream = team == '' and ledger or ledger .. ':' .. team
        for at = 1, #messages, 2 do
            position = position + messages[at]
            redis.call('XADD', stream, id(position), 'entries', messages[at + 1])
        end
        if team ~= '' then
            redis.call('XADD', ledger, id(position), 'team', team, 'from', number(first))
        end
    end
    return position
end

-- The last position that anything says was given.
local function last_position(meta, ledger)
    local said = tonumber(string.match(meta, '(%d+)$') or '0')
    local last = redis.call('XREVRANGE', ledger, '+', '-', 'COUNT', 1)[1]
    local there = last and tonumber(string.match(last[1], '^%d+')) or 0
    return math.max(said, there)
end

-- Commits what was decided over rows that are still as they were read.
local function commit(keys, args)
    local p = cmsgpack.unpack(args[1])
    local own, identity, ledger = p[1], p[2], p[11]
    local meta = redis.call('GET', keys[1]) or ''
    local is_stale = meta == '' or meta ~= known[keys[1]]
    if identity == '' then
        if is_stale then
            return stale(keys[1], meta)
        end
        if string.match(meta, '^%S+') ~= own then
            return { 'CONFLICT' }
        end
    elseif not is_stale then
        return { 'KNOWN' }
    end
    if differs(p) then
        -- The same commit once more: it has been done.
        local first = p[5][1]
        local is_done = first and prefix_of(redis.call('HGET', first[1], first[2][1])) == p[13]
        return { is_done and 'DONE' or 'CONFLICT' }
    end
    if is_begun(p[14]) then
        return { 'BEGUN' }
    end
    if #p[5] == 0 and #p[10] == 0 then
        return { 'DONE' }
    end
    local commits = tonumber(string.match(meta, ' (%d+) ') or '0')
    local position = last_position(meta, ledger)
    -- Whatever breaks off below leaves a process that knows nothing.
    known[keys[1]] = false
    write(p)
    begin(p[14])
    position = append(ledger, p[10], position)
    local name = identity == '' and own or identity
    local next = name .. ' ' .. number(commits + 1) .. ' ' .. number(position)
    redis.call('SET', keys[1], next)
    known[keys[1]] = next
    if p[12] ~= '' then
        redis.call('PUBLISH', p[12], name)
    end
    return { 'DONE' }
end

-- All rows that an audit compares, as of one instant: meta, the hashes that are named after the sidecars',
-- and every sidecar's holds, whose hashes are named by the second argument and the sidecar's id.
local function rows(keys, args)
    local sidecars = redis.call('HGETALL', args[1])
    local found = { redis.call('GET', keys[1]) or '', sidecars }
    for index = 3, #args do
        found[#found + 1] = redis.call('HGETALL', args[index])
    end
    for index = 1, #sidecars, 2 do
        found[#found + 1] = redis.call('HGETALL', args[2] .. sidecars[index])
    end
    return found
end

redis.register_function { function_name = 'purser_4_rows', callback = rows, flags = { 'no-writes' } }
redis.register_function { function_name = 'purser_4_fence', callback = fence, flags = { 'no-writes' } }
redis.register_function { function_name = 'purser_4_commit', callback = commit }
