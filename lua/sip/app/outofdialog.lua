--- Requests of ours outside of any dialog: OPTIONS, MESSAGE, anything a script wants.

local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local wait = require "sip.app.wait"

---@class sip.Endpoint
local Endpoint = {}

---@class sip.RequestOptions
---@field method string
---@field uri string
---@field to? string            a name-addr, when it is not that of the uri
---@field from? string
---@field display? string
---@field headers? table
---@field body? string
---@field content_type? string
---@field auth? { user: string, password: string, realm?: string }
---@field via? string           an outbound proxy
---@field timeout? number
---@field redirects? integer    how many redirections are followed: none

local request_schema = {
  method = "string", uri = "line", to = "line", from = "line",
  display = "line", headers = "headers", body = "string", content_type = "line",
  auth = "table", via = "line", timeout = "seconds", redirects = "integer",
}

--- Send a request outside of any dialog and wait for its final answer.
---@param options sip.RequestOptions
---@return sip.Message? response  a 2xx
---@return sip.Error? err         with status and response, for any other
function Endpoint:request(options)
  options = option.check(options, request_schema, "request")
  local method = options.method
  if not method or not options.uri or wait.not_a_request[method]
    or not method:find(wait.METHOD) then
    misuse.raise("request: a uri and a method other than INVITE, ACK and CANCEL")
  end
  self.sched:enter()
  local source, e = self:opening(options.uri, options)
  if not source then
    return nil, e
  end
  return wait.exchange(self, {
    source = source,
    method = method,
    headers = option.body_headers(options),
    body = options.body,
    auth = self:auth(options.auth, "request"),
    redirects = options.redirects,
  }, options.timeout)
end

return Endpoint
