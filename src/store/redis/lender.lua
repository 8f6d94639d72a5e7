#!lua name=purser_lender_1
-- Lends of blocks that another store has charged: src/root/shelf.rs says what each function does, and must
-- be answered alike. Amounts are whole micro-credits below 2^53, which a double holds exactly.

-- By the name of the key: its field `fence` after the last write of this process, "LENDER GENERATION LIMITED
-- WRITES". It is neither saved nor replicated, so that a restart, a failover, a restored or emptied
-- database and a lost write all show as a difference between the two. Everything is in this one key, so
-- that no part of it can be lost alone.
local known = {}

local function number(value)
    return string.format('%.0f', value)
end

-- The fence as it stands; nil where this process does not know it.
local function fence(key)
    local text = redis.call('HGET', key, 'fence')
    if not text or text ~= known[key] then
        return nil
    end
    local lender, generation, limited, writes = string.match(text, '^(%S+) (%d+) (%d+) (%d+)$')
    return { lender = lender, generation = tonumber(generation), limited = tonumber(limited), writes = tonumber(writes) }
end

local function keep(key, now)
    local parts = { now.lender, number(now.generation), number(now.limited), number(now.writes + 1) }
    local text = table.concat(parts, ' ')
    redis.call('HSET', key, 'fence', text)
    known[key] = text
end

-- Begins another life: LENDER GENERATION REPLACED. Answers the life that it is then.
local function begin(keys, args)
    local now, generation = fence(keys[1]), tonumber(args[2])
    local is_kept = now and (now.generation > generation or now.generation == generation and now.lender ~= args[3])
    if not is_kept then
        known[keys[1]] = false
        redis.call('DEL', keys[1])
        now = { lender = args[1], generation = generation, limited = 0, writes = 0 }
        keep(keys[1], now)
    end
    return { 'LENDER', now.lender, number(now.generation) }
end

local function sums(key, field)
    local values = {}
    for word in string.gmatch(redis.call('HGET', key, field) or '', '%d+') do
        values[#values + 1] = tonumber(word)
    end
    return values
end

-- LENDER POOL SIDECAR INCARNATION BASE GRANTED LIMITED CONFIG ASKED
local function take(keys, args)
    local key, now = keys[1], fence(keys[1])
    if not now or now.lender ~= args[1] then
        return { 'STALE' }
    end
    local incarnation, base, granted = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
    local limited, config, asked = tonumber(args[7]), tonumber(args[8]), tonumber(args[9])
    local tab_field, block_field = 'tab:' .. args[3] .. ':' .. args[2], 'block:' .. args[2]
    local tab, block = sums(key, tab_field), sums(key, block_field)
    if tab[1] and tab[1] > incarnation then
        return { 'FENCED' }
    end
    if not tab[1] or tab[1] < incarnation then
        tab = { incarnation, base, 0 }
    end
    block = { math.max(block[1] or 0, granted), block[2] or 0 }
    now.limited = math.max(now.limited, limited)
    local rest = math.max(block[1] - block[2], 0)
    local part = config < now.limited and 0 or math.min(asked, rest)
    -- Whatever breaks off below leaves a process that knows nothing.
    known[key] = false
    local put_tab = number(incarnation) .. ' ' .. number(tab[2]) .. ' ' .. number(tab[3] + part)
    redis.call('HSET', key, tab_field, put_tab, block_field, number(block[1]) .. ' ' .. number(block[2] + part))
    keep(key, now)
    return { 'LENT', number(tab[2]), number(tab[3] + part), number(rest - part) }
end

-- SIDECAR: what it has borrowed, as fields and values, after which life this is.
local function borrowed(keys, args)
    local now, cursor, found = fence(keys[1]), '0', {}
    if not now then
        return { 'STALE' }
    end
    found = { 'LENDER', now.lender, number(now.generation) }
    repeat
        local page = redis.call('HSCAN', keys[1], cursor, 'MATCH', 'tab:' .. args[1] .. ':*', 'COUNT', 1000)
        cursor = page[1]
        for _, word in ipairs(page[2]) do
            found[#found + 1] = word
        end
    until cursor == '0'
    return found
end

redis.register_function { function_name = 'purser_lender_1_begin', callback = begin }
redis.register_function { function_name = 'purser_lender_1_take', callback = take }
redis.register_function { function_name = 'purser_lender_1_borrowed', callback = borrowed, flags = { 'no-writes' } }
