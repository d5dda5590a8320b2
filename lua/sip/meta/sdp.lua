---@meta sip.core.sdp
-- Session descriptions as sip.core gives and takes them (RFC 8866). Numbers that may
-- be longer than 64 bits (ids, times, bandwidths) stay strings of digits.

---@class sip.SdpOrigin
---@field user string
---@field id string
---@field version string
---@field net string        "IN"
---@field addr_type string  "IP4", "IP6"
---@field address string

---@class sip.SdpConnection
---@field net string
---@field addr_type string
---@field address string
---@field ttl? integer      multicast, IP4 only
---@field count? integer    how many contiguous addresses

---@class sip.SdpAttribute
---@field name string
---@field value? string     nil: there was no colon

---@class sip.SdpBandwidth
---@field type string       "AS", "TIAS" ...
---@field value string

---@class sip.SdpTime
---@field start string
---@field stop string
---@field repeats? string[] values of its r= lines
---@field zone? string      value of its z= line

---@class sip.SdpMedia
---@field type string       "audio"
---@field port integer      0: not wanted
---@field ports? integer    how many
---@field proto string      "RTP/AVP"
---@field formats string[]  in order of preference, at least one
---@field info? string
---@field connection? sip.SdpConnection
---@field other_connections? sip.SdpConnection[]
---@field bandwidths? sip.SdpBandwidth[]
---@field key? string
---@field attributes sip.SdpAttribute[] in the order they came

---@class sip.Sdp
---@field version? integer  0
---@field origin sip.SdpOrigin
---@field name string       s=, usually "-" or " "; may be empty
---@field info? string
---@field uri? string
---@field emails? string[]
---@field phones? string[]
---@field connection? sip.SdpConnection
---@field bandwidths? sip.SdpBandwidth[]
---@field times sip.SdpTime[] at least one
---@field key? string
---@field attributes sip.SdpAttribute[]
---@field media sip.SdpMedia[]

local core = {}

--- Parse one session description. Every media line with a port has a connection,
--- its own or the session's.
---@param bytes string
---@param options? { limits?: table<string, integer> }  by the names of
---   csrc/base/limits.h
---@return sip.Sdp? description
---@return sip.Refusal? refusal
function core.sdp_parse(bytes, options) end

--- Write a description. Raises on what could not be read back as it is: a missing
--- field, a CR, LF or NUL, a blank within a word.
---@param description sip.Sdp
---@return string bytes
function core.sdp_write(description) end

--- What an address of c=, o= or a=rtcp is; nil for a name.
---@param text string
---@return "IP4"|"IP6"|nil family
---@return "unicast"|"multicast"|"any"|nil kind  any: 0.0.0.0 or ::
function core.sdp_address(text) end

return core
