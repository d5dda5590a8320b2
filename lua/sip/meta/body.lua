---@meta sip.core.body
-- Bodies as sip.core gives and takes them (RFC 2046 5.1, RFC 3420, RFC 5621).

--- A body, or a part of one.
---@class sip.Part
---@field type string         its media type, in small letters; "text/plain" when its
---   sender names none (RFC 2045 5.2)
---@field params sip.Params   of the media type
---@field disposition string  what it is for, in small letters: "session" by default of
---   a description, else "render" (RFC 3261 20.11)
---@field disposition_params sip.Params
---@field handling "required"|"optional"  whether who does not understand it may go on
---@field id? string          its Content-ID, without angle brackets
---@field encoding? string    it is encoded so ("base64", "gzip"), and was not decoded
---@field headers string[]    name, value, name, value ...; of a message's own body
---   those that begin with "Content-"
---@field body string
---@field parts? sip.Part[]   of "multipart/..."

---@class sip.WrittenParts: { [integer]: { headers: string[], body: string } }
---@field boundary? string

---@class sip.FragmentSpec
---@field method? string
---@field uri? string
---@field status? integer
---@field reason? string      else the standard phrase
---@field headers? string[]   name, value, name, value ...
---@field body? string        wants a Content-Type

---@class sip.core
local core = {}

--- A body of several parts. Raises on CR, LF or NUL in a header, and when the boundary
--- is none or stands in a part; without one, it is made of what the parts hold.
---@param parts sip.WrittenParts
---@return string bytes
---@return string boundary
function core.write_multipart(parts) end

--- A message/sipfrag. Raises on CR, LF or NUL in a value.
---@param spec sip.FragmentSpec
---@return string
function core.write_fragment(spec) end

--- Read a message/sipfrag (RFC 3420 2): what it does not have is nil.
---@param bytes string
---@return sip.Message?
---@return sip.Refusal?
function core.parse_fragment(bytes) end

return core
