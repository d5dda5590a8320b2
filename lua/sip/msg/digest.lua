--- The digest functions of the core, for the folders that do not see it.

local core = require "sip.core"

local M = {}

--- Parse the value of WWW-Authenticate, Authorization and their kin.
---@type fun(value: string): sip.AuthChallenge[]?, sip.Refusal?
M.parse = core.digest_parse

--- The value of Authorization or Proxy-Authorization.
---@type fun(fields: sip.DigestFields): string?, string?
M.credentials = core.digest_credentials

--- Whether a response proves that the client knows the password.
---@type fun(fields: sip.DigestProof): boolean?, integer|string
M.verify = core.digest_verify

--- The hash of an algorithm, in hexadecimal.
---@type fun(algorithm: string, text: string): string?, string?
M.hash = core.digest_hash

--- The nonces of a server.
---@type fun(spec: sip.NoncesSpec): sip.Nonces
M.nonces = core.nonces

--- Whether an algorithm can be computed here.
---@type fun(algorithm?: string): boolean
M.supports = core.digest_supports

return M
