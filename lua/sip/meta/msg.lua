---@meta sip.core.msg
-- Messages, URIs and addresses as sip.core gives and takes them (RFC 3261 7, 19, 20).

--- Why a message was refused.
---@class sip.Refusal
---@field at integer       which byte, counted from 1
---@field why string       one sentence
---@field status? integer  what a request is answered with; nil: discard it

--- A message, immutable. Every method gives nil and "gone" once it was let go of: the
--- dispatcher does so when its handler has returned or first waits, unless the message
--- was kept.
---@class sip.Message
local Message = {}

--- Is it a request?
---@return boolean
function Message:is_request() end

--- nil for a response, as `uri` is. A fragment may be neither (see sip.read_fragment).
---@return string?
function Message:method() end

--- The Request-URI.
---@return string?
function Message:uri() end

--- nil for a request, as `reason` is.
---@return integer?
function Message:status() end

--- The reason phrase, possibly empty; nil for a request.
---@return string?
function Message:reason() end

--- The version of SIP.
---@return string version as it was written, "SIP/2.0"
function Message:version() end

--- The value of the i-th line of a header, in either form of its name, unfolded.
---@param name string
---@param i? integer 1
---@return string?
function Message:header(name, i) end

--- All values of a header over all its lines: comma lists split by the grammar; of
--- headers that are no lists, or unknown, their lines.
---@param name string
---@return string[]
function Message:values(name) end

--- Iterate over all lines as name (as it was written) and value, in order.
---@return fun(): string?, string?
function Message:fields() end

--- Is `token` one of the values, without case?
---@param name string
---@param token string
---@return boolean
function Message:has_token(name, token) end

--- The Call-ID.
---@return string?
function Message:call_id() end

--- Number and method of CSeq.
---@return integer? number
---@return string? method
function Message:cseq() end

--- The tag of From.
---@return string?
function Message:from_tag() end

--- The tag of To.
---@return string?
function Message:to_tag() end

--- The URI of From.
---@return string?
function Message:from_uri() end

--- The URI of To.
---@return string?
function Message:to_uri() end

--- The display name, quotes and escapes undone.
---@return string?
function Message:from_display() end

--- The same of To.
---@return string?
function Message:to_display() end

--- The URI of the first Contact, or "*".
---@return string?
function Message:contact_uri() end

--- The branch of the topmost Via.
---@return string?
function Message:branch() end

--- Max-Forwards, 0 to 255.
---@return integer?
function Message:max_forwards() end

--- Expires, in seconds.
---@return integer?
function Message:expires() end

--- The i-th Via over all lines.
---@param i? integer 1
---@return sip.Via?
---@return string? why  when it is malformed
function Message:via(i) end

--- The i-th value of a header that holds addresses (From, Contact, Route ...).
---@param name string
---@param i? integer 1
---@return sip.NameAddr?
---@return string? why  when it is malformed
function Message:name_addr(name, i) end

--- The body, possibly empty.
---@return string
function Message:body() end

--- What the body is, and its parts when it has some; nil without a body. A body of
--- several parts that is malformed, or has more or deeper ones than `limits` let it,
--- gives nil and why (counted in bytes of the body).
---@return sip.Part?
---@return sip.Refusal?
function Message:content() end

--- The first part of this media type, of the body itself, its parts, and theirs.
---@param type string  "application/sdp"
---@return sip.Part?
---@return sip.Refusal? refusal  the body is malformed
function Message:part(type) end

--- The whole message. The line ends of folded headers are blanks in it.
---@return string
function Message:bytes() end

--- Where a message that a stack received came from; nil for any other.
---@return string? ip
---@return integer|string|nil port
---@return sip.Transport? transport
---@return integer? flow  the connection, or for UDP our socket
function Message:source() end

--- The address of ours that a message came to that a stack received; nil for any other.
---@return string? ip
function Message:own() end

--- Is everything there that an element needs, and well formed?
---@return true?
---@return sip.Refusal?
function Message:check() end

--- Hold it until the collector comes.
---@return sip.Message self
function Message:keep() end

--- Will the dispatcher leave it alone?
---@return boolean
function Message:kept() end

--- Let go of it now, kept or not.
function Message:release() end

--- Names in order in the array part, values under their names in small letters: quotes
--- and escapes undone (in an URI: as written, escaped), true for a flag.
---@class sip.Params: { [string]: string|true, [integer]: string }

---@class sip.Via
---@field text string
---@field transport string       "UDP"
---@field host string            with brackets for IPv6
---@field port? integer
---@field branch? string
---@field received? string
---@field rport? integer|true    true: without a value
---@field params sip.Params

---@class sip.NameAddr
---@field display? string
---@field uri string
---@field params? sip.Params     of the header, not of the URI

---@class sip.UriHeader
---@field name string
---@field value string

---@class sip.Uri
---@field scheme? string         in small letters; "sip" when it is left out
---@field user? string           escaped; of a tel URI its number
---@field user_text? string      escapes undone; written only when there is no `user`
---@field password? string       escaped
---@field host? string
---@field port? integer
---@field params? sip.Params
---@field headers? sip.UriHeader[] escapes undone
---@field opaque? string         of other schemes: what follows the colon

---@class sip.core
local core = {}

--- Parse one message. Without `datagram` (the default is true) the bytes are what
--- framing has cut from a stream: exactly one message with its Content-Length.
---@param bytes string
---@param options? { datagram?: boolean }
---@return sip.Message?
---@return sip.Refusal?
---@return sip.Message? malformed  enough of it to answer with the refusal's status
function core.parse(bytes, options) end

--- The parts of an URI.
---@param text string
---@return sip.Uri?
---@return string? why
---@return integer? at  which byte, counted from 1
function core.uri(text) end

--- The parts that say whose an URI is; nil when it is none. Other schemes have but
--- themselves.
---@param text string
---@return string? scheme  in small letters
---@return string? user    escapes undone
---@return string? host    in small letters, IPv6 in brackets; nil of tel
---@return integer? port
function core.uri_parts(text) end

--- The address of a URI that is nothing more than a user at an IPv4 address, and
--- perhaps a port, as most Contacts are; nil of any other.
---@param text string
---@return string? host
---@return integer? port
function core.uri_plain(text) end

--- Raises when the parts make no URI.
---@param uri sip.Uri
---@return string
function core.uri_write(uri) end

--- RFC 3261 19.1.4, RFC 3966 4. False when one of them is no URI. More than 32
--- parameters, or headers, are equal when they are the same in the same order.
---@param a string
---@param b string
---@return boolean
function core.uri_equal(a, b) end

--- The parts of an address: a name-addr, or an URI with parameters of the header.
---@param text string
---@return sip.NameAddr?
---@return string? why
function core.name_addr(text) end

--- Raises when the parts make no address.
---@param addr sip.NameAddr
---@return string
function core.name_addr_write(addr) end

--- The values of a comma list, split by the grammar.
---@param text string
---@return string[]
function core.split(text) end

--- An IP address as its bytes, 4 or 16; nil when it is none. IPv4 inside of IPv6
--- (::ffff:192.0.2.1) is IPv4.
---@param text string  an IPv6 address may stand in brackets
---@return string? bytes
function core.address_bytes(text) end

--- Parameters, with or without a leading ";".
---@param text string
---@return sip.Params
function core.params(text) end

---@class sip.ResponseSpec
---@field status integer
---@field reason? string         else the standard phrase
---@field tag? string            for a To without one
---@field received? string       for the topmost Via
---@field rport? integer         for the topmost Via, when it asks for one
---@field record_route? boolean  copy Record-Route into 101 to 299
---@field headers? string[]      name, value, name, value ...
---@field body? string

--- A response to a request (RFC 3261 8.2.6). Raises on CR, LF or NUL in a value.
---@param request sip.Message
---@param spec sip.ResponseSpec
---@return string
function core.write_response(request, spec) end

---@class sip.RequestSpec
---@field method string
---@field uri string
---@field via? string            value of the topmost Via
---@field raw? string            whole header lines, each with CRLF, before `headers`
---@field headers? string[]      name, value, name, value ...
---@field body? string

--- A request. Max-Forwards and Content-Length are added when they are not there. Raises
--- on CR, LF or NUL in a value.
---@param spec sip.RequestSpec
---@return string
function core.write_request(spec) end

--- ACK to a 300-699 (RFC 3261 17.1.1.3).
---@param invite sip.Message  as it was sent
---@param response sip.Message
---@return string
function core.write_ack(invite, response) end

--- CANCEL (RFC 3261 9.1).
---@param invite sip.Message  as it was sent
---@return string
function core.write_cancel(invite) end

--- The standard phrase, of x00 for a code that is not known.
---@param status integer
---@return string
function core.reason_phrase(status) end

--- How many bytes boxes hold outside of Lua.
---@return integer
function core.held() end

return core, Message
