---@meta sip.core.media
-- Media as sip.core gives it: made by a driver's media(), heard of through its dispatch
-- function:
--
--   "digit", session, digit, seconds
--   "played", session, id, ended, message?
--   "recorded", session, id, ended, message?, seconds, lost
--   "media_failed", session, message     "media_closed" follows
--   "media_closed", session              the last one of a session

---@alias sip.MediaEnd
---| "finished" # to its end
---| "stopped"  # by stop
---| "silence"  # a recording heard nothing for so long
---| "max"      # a recording is as long as it may be
---| "closed"   # with its session
---| "failed"   # a file: the message says which and why

---@class sip.Media
local Media = {}

---@class sip.MediaSessionOpts
---@field host string an IP address of ours

--- Bind a pair of ports, RTP and RTCP, and hold them until the session has closed.
---@param opts sip.MediaSessionOpts
---@return sip.MediaSession? session
---@return string? why
function Media:session(opts) end

--- A session is anchored until its "media_closed"; afterwards, as after close, its
--- methods give nil and why.
---@class sip.MediaSession
local Session = {}

--- The RTP port; RTCP is on the next one.
---@return integer? port
---@return string? why
function Session:port() end

--- The IP address it was bound to.
---@return string? host
---@return string? why
function Session:host() end

--- A number that no other session of this driver has.
---@return integer
function Session:serial() end

---@class sip.MediaRemote
---@field host string                      an IP address
---@field port integer
---@field rtcp_host? string                a=rtcp (RFC 3605); else that of RTP
---@field rtcp_port? integer               else the port above that of RTP
---@field codec? "PCMU"|"PCMA"             PCMU
---@field payload_type? integer            that we write; else the static one
---@field receive_payload_type? integer    that we read; else the same
---@field dtmf_payload_type? integer       telephone-event; without one, tones are sent
---@field receive_dtmf_payload_type? integer
---@field ptime? integer                   milliseconds in a packet, as in SDP: 20
---@field direction? "sendrecv"|"sendonly"|"recvonly"|"inactive" ours

--- Where the peer is and what was agreed on; again after each offer and answer. Where
--- its packets really come from is found out (RFC 4961).
---@param remote sip.MediaRemote
---@return true? ok
---@return string? why
function Session:set_remote(remote) end

---@class sip.MediaPlay
---@field [integer] string  files, or "tone:us", "tone:440+480/2000,0/4000" ...
---@field times? integer    how often the list is played: 1
---@field loop? boolean     until it is stopped

--- Play a list; "played" follows. Up to four plays are mixed.
---@param list sip.MediaPlay
---@return integer? id
---@return string? why
function Session:play(list) end

---@class sip.MediaRecord
---@field path string      a WAV file, 16 bits at 8 kHz
---@field max? number      seconds
---@field silence? number  seconds without a sound after which it ends

--- Record what is heard; "recorded" follows, when the file is closed. One at a time.
---@param opts sip.MediaRecord
---@return integer? id
---@return string? why
function Session:record(opts) end

--- Stop a play or a recording; its event follows.
---@param id integer
---@return true? ok
---@return string? why
function Session:stop(id) end

---@class sip.MediaPress
---@field duration? number  seconds of each digit: 0.1
---@field gap? number       seconds after it: 0.1

--- Send digits, after those that are still being sent.
---@param digits string 0-9 * # A-D
---@param opts? sip.MediaPress
---@return true? ok
---@return string? why
function Session:press(digits, opts) end

--- Let two sessions hear each other, digits included; each leaves the bridge it was in.
--- A session that is bridged to itself is an echo.
---@param other sip.MediaSession
---@return true? ok
---@return string? why
function Session:bridge(other) end

--- Leave the bridge.
---@return true? ok
---@return string? why
function Session:unbridge() end

--- What has passed so far: packets, octets, losses; times in seconds.
---@return table<string, number>? stats
---@return string? why
function Session:stats() end

--- End what plays and records, say goodbye by RTCP, give the ports back.
function Session:close() end

local core = {}

--- How well a piece of audio is found in another: 1 as it is, near 0 not at all.
---@param whole string  samples, native int16
---@param part string
---@return number? peak
---@return integer|string at  the sample of `whole` where it begins; else why
function core.pcm_correlate(whole, part) end

--- The samples of a WAV file at 8000 Hz, one channel, as native int16.
---@param bytes string
---@return string? samples
---@return string? why
function core.wav_samples(bytes) end

return { Media = Media, MediaSession = Session, core = core }
