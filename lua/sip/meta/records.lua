---@meta sip.core.records
-- Records as sip.core keeps them: texts by key, each with the instant at which it falls
-- due. They lie outside of what the collector goes through.

---@class sip.core
local core = {}

---@class sip.Records
local Records = {}

--- Room for records.
---@param chance string  16 bytes, so that nobody can choose keys that collide
---@return sip.Records
function core.records(chance) end

--- A record.
---@param key string
---@return string? value
function Records:get(key) end

--- Make the record of a key, or replace it.
---@param key string
---@param value string
---@param due number  in seconds
---@return true? ok
---@return string? why  "no_memory": then all is as before
function Records:put(key, value, due) end

--- Remove the record of a key.
---@param key string
---@return boolean removed
function Records:remove(key) end

--- The key that falls due first, by now.
---@param now number
---@return string? key
function Records:due(now) end

--- When the first falls due.
---@return number?
function Records:deadline() end

--- How many there are.
---@return integer
function Records:count() end

--- Let go of all.
function Records:close() end

return core, Records
