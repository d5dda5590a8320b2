---@meta sip.core.loop
-- The real loop as sip.core gives it: sockets, names, signals and time. It has the same
-- face as a simulated host (sip.SimHost), and some of its own.

---@class sip.core
local core = {}

--- A loop on real sockets, in real time. One of them may belong to one thread.
---@return sip.Loop
function core.loop() end

---@class sip.Loop
local Loop = {}

--- One turn: wait for the network, a timer or a wake-up, then dispatch what came.
---@param max_wait? number seconds; nil: as long as it takes
function Loop:step(max_wait) end

--- The descriptor that a foreign loop polls for reading.
---@return integer fd
function Loop:pollfd() end

--- What to poll it for.
---@return "r"
function Loop:events() end

--- When `step` is to be called though nothing is readable; nil: then only.
---@return number? seconds
function Loop:timeout() end

--- Dispatch "signal" with "SIGINT" or "SIGTERM" instead of dying of it.
---@param on boolean
function Loop:signals(on) end

--- Ask these name servers, "192.0.2.1:53,[2001:db8::1]:53", not the system's.
---@param list string
function Loop:name_servers(list) end

--- What can be asked of the machine.
---@return sip.Machine
function Loop:machine() end

---@class sip.MachineAddress
---@field interface string
---@field address string
---@field internal boolean  loopback

---@class sip.CertificateFile
---@field from integer      seconds since 1970
---@field till integer
---@field self_signed boolean
---@field names string      of SIP domains (RFC 5922 7.1), each ended by a line feed

---@class sip.Machine
---@field addresses fun(): sip.MachineAddress[]
---@field holder fun(at: sip.ListenSpec): string?, integer?, integer?  who has bound
---   that: the program's name and process, 0 when that is not told, and its user
---@field certificate fun(path: string): sip.CertificateFile?
---@field mode fun(path: string): integer?  the permissions of a file
---@field files fun(): integer  that may be open at once; 0: not known
---@field trusts fun(): boolean, string, string  whether the system trusts anybody: the
---   file and the folder that say whom

--- End it, with all its stacks, at once; recordings are written out before.
function Loop:close() end

--- Seconds, of a clock that never goes back.
---@return number
function Loop:now() end

--- Seconds since 1970, for what others read (Date); that clock may be set back.
---@return number
function Loop:unix() end

--- Dispatch "timer" with the id given back, after so many seconds.
---@param seconds number
---@return integer id
function Loop:arm(seconds) end

--- Stop a timer; one that has fired is fine.
---@param id integer
function Loop:stop(id) end

--- Random characters of a-z and 0-9.
---@param count integer
---@return string
function Loop:token(count) end

--- Dispatch "turn" in the next turn, and do not sleep before it.
function Loop:wake() end

--- Processor time of this thread in seconds.
---@return number
function Loop:cpu() end

--- Whether Lua's memory is short: much of its reserve is used, and no more was had.
---@return boolean
function Loop:is_short() end

--- Who hears of timers, turns and signals: dispatch(kind, id_or_name).
---@param dispatch fun(kind: string, id: integer|string)
function Loop:set_dispatch(dispatch) end

--- Counts: timers, stacks, bytes, blocks, script_errors.
---@return table<string, integer>
function Loop:stats() end

--- A stack on this loop.
---@param spec sip.StackSpec
---@return sip.Stack
function Loop:stack(spec) end

--- The media of this loop, in a thread of its own from the first time on; what happens
--- is dispatched (sip.core.media).
---@return sip.Media
function Loop:media() end

---@class sip.MediaPorts
---@field first_port? integer 20000: RTP ports are between this one
---@field last_port? integer  and 29999
---@field sessions? integer   2048 at most at the same time

--- Where RTP is bound, and for how many; only before media is asked for.
---@param ports sip.MediaPorts
function Loop:media_ports(ports) end

--- Have `look` called in whichever coroutine runs, before its next instruction, 50
--- times in a second of this thread's processor time; nothing where that cannot be had.
---@param look fun()  may raise
---@return fun(running?: thread)? mark  says which one runs from here on
function Loop:pulse(look) end

return core, Loop
