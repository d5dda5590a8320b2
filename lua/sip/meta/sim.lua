---@meta sip.core.sim
-- The simulator as sip.core gives it: a world of hosts in virtual time. The test kit
-- is made of it (sip.sim).

---@class sip.core
local core = {}

--- A world. Two of the same seed that are treated alike do the same, to the byte.
---@param opts { seed?: integer }
---@return sip.World
function core.world(opts) end

---@class sip.World
local World = {}

--- A host that has these addresses.
---@param ip string
---@param ... string
---@return sip.SimHost
function World:host(ip, ...) end

--- Seconds since the world began.
---@return number
function World:now() end

--- When something is due next; nil when nothing ever will be.
---@return number? seconds
function World:next() end

--- Do all that is due at the next instant, when that is not later than `until_s`;
--- otherwise only move the clock there.
---@param until_s? number
---@return boolean done  false: nothing was due
function World:step(until_s) end

---@class sip.LinkSpec
---@field from? string       an address; left out: any
---@field to? string
---@field delay? number      seconds
---@field loss? number       probabilities, 0 to 1
---@field duplicate? number
---@field reorder? number    of those, each is up to `reorder_by` seconds later
---@field reorder_by? number 0.1 when left out

--- How packets fare from here to there; later rules win.
---@param link sip.LinkSpec
function World:link(link) end

--- Give a name one more address.
---@param name string
---@param ip string
function World:name(name, ip) end

---@class sip.DnsRecord
---@field name string
---@field type? "A"|"AAAA"|"SRV"|"NAPTR"  of a question, all types when left out
---@field ttl? integer        60; of a question: for how long there are no records
---@field host? string        A, AAAA: the address
---@field priority? integer   SRV
---@field weight? integer     SRV
---@field port? integer       SRV: 5060
---@field target? string      SRV, NAPTR; ".": there is no such service
---@field order? integer      NAPTR
---@field preference? integer NAPTR
---@field flags? string       NAPTR: "s"
---@field service? string     NAPTR
---@field delay? number       of a question: seconds until its answer
---@field fail? boolean       of a question: no name server answers

--- Give a name one more record; without a host or a target: say how questions for the
--- name fare.
---@param record sip.DnsRecord
function World:dns(record) end

--- Take from a name all of its records, and how its questions fare.
---@param name string
function World:forget(name) end

--- How many questions have been asked.
---@return integer
function World:lookups() end

--- 0 <= x < 1, of the seed.
---@return number
function World:random() end

--- Hold datagrams: each that is sent from now on stays under way until `deliver` or
--- `lose` says what becomes of it. Links have no say in that, and time passes by.
---@param hold boolean
function World:hold(hold) end

---@class sip.Flying
---@field id integer
---@field from string
---@field from_port integer
---@field to string
---@field to_port integer
---@field bytes string

--- The datagrams that are held, as they were sent.
---@return sip.Flying[]
function World:flying() end

--- A held datagram arrives, now; `keep`: a copy of it stays under way.
---@param id integer
---@param keep? boolean
---@return boolean done  false: there is none
function World:deliver(id, keep) end

--- A held datagram is lost.
---@param id integer
---@return boolean done  false: there is none
function World:lose(id) end

--- Packets and completions under way.
---@return integer
function World:pending() end

--- End it, with all its hosts.
function World:close() end

---@class sip.SimHost
local SimHost = {}

--- Seconds.
---@return number
function SimHost:now() end

--- Seconds since 1970, for what others read (Date); that clock may be set back. A world
--- begins on 1 January 2026.
---@return number
function SimHost:unix() end

--- Dispatch "timer" with the id given back, after so many seconds.
---@param seconds number
---@return integer id
function SimHost:arm(seconds) end

--- Stop a timer; one that has fired is fine.
---@param id integer
function SimHost:stop(id) end

--- Random characters of a-z and 0-9.
---@param count integer
---@return string
function SimHost:token(count) end

--- Dispatch "turn" in the next turn, and do not sleep before it.
function SimHost:wake() end

--- Processor time of this thread in seconds; nil: a run does not depend on it.
---@return number?
function SimHost:cpu() end

--- Whether Lua's memory is short: much of its reserve is used, and no more was had.
---@return boolean
function SimHost:is_short() end

--- fn(kind, id) for "timer" and "turn".
---@param fn fun(kind: string, id: integer)
function SimHost:set_dispatch(fn) end

--- What is alive: timers, stacks, bytes, blocks; and script_errors so far.
---@return table<string, integer>
function SimHost:stats() end

---@class sip.StackSpec
---@field dispatch fun(kind: string, object: any, message: sip.Message?, ...)
---@field t1? number        seconds; the RFC's values when left out (17.1.1.1)
---@field t2? number
---@field t4? number
---@field timer_c? number
---@field trying? number    0.2: when 100 is sent by itself
---@field limits? table<string, integer>  by the names of csrc/base/limits.h
---@field advertise? string the host that Via and Contact name
---@field watch? boolean    dispatch "message" for everything that passes
---@field exempt? (string|integer)[]  networks that no rule for sources is for: bytes of
---   an address, how many bits of it count, and so on
---@field scanners? string   parts of User-Agents, each in small letters and with a line
---   feed behind it

--- A stack on this host.
---@param spec sip.StackSpec
---@return sip.Stack
function SimHost:stack(spec) end

--- The media of this host; made when it is first asked for.
---@return sip.Media
function SimHost:media() end

--- Sockets and connections that are open.
---@return integer
function SimHost:sockets() end

--- The state of everything below Lua, as bytes: random source, timers, transactions.
--- Two hosts whose bytes are equal, and whose Lua is, do the same from here on. Nil
--- while something waits for its turn, and with connections, lookups or media.
---@return string?
function SimHost:fingerprint() end

--- Send a datagram of any bytes, from an address that need not be the host's.
---@param from string
---@param from_port integer
---@param to string
---@param to_port integer
---@param bytes string
function SimHost:datagram(from, from_port, to, to_port, bytes) end

--- While down, nothing reaches it and nothing leaves it.
---@param down boolean
function SimHost:set_down(down) end

--- A file in its memory.
---@param path string
---@param bytes string
function SimHost:write_file(path, bytes) end

--- A file that was written on this host, or nil.
---@param path string
---@return string?
function SimHost:read_file(path) end

--- How many bytes its disk still takes, and how many seconds an operation lasts.
---@param opts { free?: integer, delay?: number }
function SimHost:disk(opts) end

--- The identities that it proves over TLS. Without any, whoever asks for a name finds
--- it.
---@param ... string
function SimHost:certificate(...) end

--- A socket with nothing behind it: for saying what no stack would say. The port is
--- 5060 when left out.
---@param at { transport?: sip.Transport, host: string, port?: integer }
---@return sip.SimRaw
function SimHost:raw(at) end

---@class sip.SimRaw
local SimRaw = {}

--- Send a datagram.
---@param ip string
---@param port integer
---@param bytes string
---@return true? ok
---@return string? name
function SimRaw:send(ip, port, bytes) end

--- Open a connection; "opened" or "closed" comes.
---@param ip string
---@param port integer
---@return integer? id
---@return string? name
function SimRaw:connect(ip, port) end

--- Say something on a connection.
---@param id integer
---@param bytes string
---@return true? ok
---@return string? name
function SimRaw:write(id, bytes) end

--- Close a connection.
---@param id integer
function SimRaw:shut(id) end

---@class sip.RawEvent
---@field what "opened"|"bytes"|"failed"|"closed"
---@field at number       seconds
---@field id integer      of the socket or the connection
---@field from string     "ip:port"
---@field to string
---@field bytes? string
---@field why? string

--- What came since the last time, in order.
---@return sip.RawEvent[]
function SimRaw:take() end

--- Close the socket and its connections.
function SimRaw:close() end
