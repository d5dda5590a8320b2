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

---@class sip.DigestProof: sip.DigestFields
---@field nc? string        as it was received: eight digits
---@field response string

--- Does a response prove that the client knows the password? It takes as long to say
--- no as to say yes.
---@param fields sip.DigestProof
---@return boolean? right   nil: it cannot be computed
---@return integer|string nc  0 without qop; or why
function core.digest_verify(fields) end

--- The hash of an algorithm, in hexadecimal: of "user:realm:password" it is an HA1, of
--- "user:realm" a hashed name (RFC 7616 3.4.4).
---@param algorithm string  with -sess or without
---@param text string
---@return string? hex
---@return string? why
function core.digest_hash(algorithm, text) end

--- Whether an algorithm can be computed here.
---@param algorithm? string  nil: MD5
---@return boolean
function core.digest_supports(algorithm) end

---@alias sip.NonceVerdict
---| "good"
---| "stale"    ours, and too old, or no longer remembered
---| "forged"   not ours, or of another realm
---| "replayed" this count was used before

---@class sip.NoncesSpec
---@field secret string     16 bytes at least
---@field lifetime? number  seconds: 300
---@field limit? integer    how many are remembered: that of csrc/base/limits.h
---@field now? number       what was issued earlier by others is stale

--- The nonces of a server (RFC 7616 3.3): issued without being remembered; those that
--- are in use are, with their counts.
---@class sip.Nonces
local Nonces = {}

--- Make some.
---@param spec sip.NoncesSpec
---@return sip.Nonces
function core.nonces(spec) end

--- A nonce for this realm.
---@param realm string
---@param now number
---@param chance string  8 random characters
---@return string? nonce
---@return string? err
function Nonces:issue(realm, now, chance) end

--- The chance that a nonce was issued with; says nothing of who has made it.
---@param nonce string
---@return string? salt  8 bytes
function Nonces:salt(nonce) end

--- Whether a nonce may be used; changes nothing.
---@param nonce string
---@param realm string
---@param now number
---@return sip.NonceVerdict? verdict  never "replayed"
---@return string? err
function Nonces:judge(nonce, realm, now) end

--- Use a nonce that was judged good, once its response has proven right.
---@param nonce string
---@param nc integer  0: without a count, this single time (RFC 2069)
---@param now number
---@return sip.NonceVerdict? verdict  never "forged"
---@return string? err
function Nonces:use(nonce, nc, now) end

--- How many are remembered.
---@return integer
function Nonces:count() end

--- Forget them all.
function Nonces:close() end

return core, Nonces
