---@meta sip.core.digest
-- Digest authentication as sip.core computes it (RFC 7616, RFC 8760, RFC 2617).

---@class sip.AuthChallenge
---@field scheme string                "Digest", as written
---@field params table<string, string> names in lower case, values unquoted
---@field token68? string              what a scheme without parameters carries

---@class sip.DigestFields
---@field algorithm? string  as the challenge names it; nil: MD5, and not written
---@field qop? "auth"|"auth-int" nil: as RFC 2069
---@field username string
---@field realm string
---@field password? string   this or ha1
---@field ha1? string        H(username:realm:password) in hexadecimal
---@field nonce string
---@field cnonce? string     needed with qop or a -sess algorithm
---@field nc? integer        needed with qop
---@field method string      "" for rspauth
---@field uri string
---@field body? string       for auth-int
---@field opaque? string     written back as it came
---@field userhash? boolean  send the name hashed

local core = {}

--- Parse the value of WWW-Authenticate, Authorization and their kin.
---@param value string
---@return sip.AuthChallenge[]? challenges in their order, usually one
---@return sip.Refusal? refusal
function core.digest_parse(value) end

--- The response of a client, or the rspauth of a server.
---@param fields sip.DigestFields
---@return string? hex
---@return string? why
function core.digest_response(fields) end

--- The value of Authorization or Proxy-Authorization.
---@param fields sip.DigestFields
---@return string? value
---@return string? why
function core.digest_credentials(fields) end

--- Whether an algorithm can be computed here.
---@param algorithm? string  nil: MD5
---@return boolean
function core.digest_supports(algorithm) end

return core
