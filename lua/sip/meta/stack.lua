---@meta sip.core.stack
-- Stacks and transactions as sip.core gives them (RFC 3261 17, 18). What is sent is
-- answered by events: dispatch(kind, object, message, ...), where the object is the
-- transaction, or the stack when there is none.
--
--   "request"   ServerTx, Message     a request that matched no transaction
--   "cancel"    ServerTx, Message     CANCEL for this INVITE; it has been answered
--   "ack"       ServerTx, Message     ACK to a 2xx; a Stack when the INVITE is gone
--   "response"  ClientTx, Message     never a 100
--   "stray"     Stack, Message        a 2xx whose INVITE is gone
--   "failed"    tx, nil, name, why    "timeout" or "wire"
--   "no_ack"    ServerTx              a 2xx repeated in vain (13.3.1.4)
--   "ended"     tx                    the last one of a transaction Lua still holds
--   "records"   Stack, nil, token, records, ttl | nil, why
--               addresses, or sip.SrvRecord, sip.NaptrRecord; ttl 0 without any: unsaid
--   "kept"      Stack, nil, id [, name, why]   keep-alives were answered for the first
--               time; with a name they are over: "timeout", or "wire"
--   "astray"    Stack, Message, attempt   a response that could not be delivered, and
--               how many places by its Via have been tried (RFC 3263 5)
--   "closed"    Stack, nil, transport, remote
--   "message"   Stack, nil, sent, transport, from, to, bytes   when it is watched
--   "dropped"   Stack, nil, why, to   the last one is not answered; when it is watched
--   "notice"    Stack, nil, text      a line for the log
--
-- A message is let go of when dispatch returns, unless it was kept.

---@alias sip.Transport "udp"|"tcp"|"tls"|"ws"|"wss"

---@class sip.RequestSpec
---@field method string
---@field uri string
---@field raw? string         well-formed header lines, each with CRLF, put first
---@field headers? string[]   name, value, name, value ...
---@field body? string
---@field transport? sip.Transport  "udp" when left out
---@field host string         an IP address
---@field server_name? string for TLS: whom its certificate must name
---@field port? integer       the transport's own when left out
---@field keep? boolean       its Via offers keep-alives (RFC 6223 4.3)
---@field own? string         the address of ours that it leaves by, if we listen there
---@field flow? integer       the connection that it must be, "gone" when it is not
---   there; for UDP the socket to send from

--- A request that is passed on: the bytes that came, with edits. The Via on top of
--- them gets received and rport (18.2.1, RFC 3581); Content-Length is added when it is
--- missing.
---@class sip.ForwardSpec
---@field message sip.Message
---@field uri? string             the Request-URI, as it came when left out
---@field max_forwards? integer   one less than came when left out, 70 when none came
---@field edits? string[]         operation, name, value, operation, name, value ...
---@field tail? string            token behind what is random of the branch, 64 bytes
---@field branch? string          for pass: the whole branch
---@field transport? sip.Transport  "udp" when left out
---@field host string             an IP address
---@field port? integer           the transport's own when left out
---@field flow? integer           as in sip.RequestSpec
---@field own? string             likewise

-- Operations of edits, one after the other: "set" leaves one line where the first was
-- (at the end if there was none); "add" puts one behind the last of that name; "first"
-- before the first, on top behind Via if there is none; "remove" (its value is "").
-- Long and compact names are equal. Via, Content-Length and Max-Forwards cannot be
-- edited.

---@class sip.Stack
local Stack = {}

--- Pass a request on in a transaction of its own, with a Via of ours on top. By TCP
--- and by UDP as `request`. Not for ACK and CANCEL.
---@param spec sip.ForwardSpec
---@return sip.ClientTx? tx
---@return string? name
---@return string? why
function Stack:forward(spec) end

--- Pass a request on without a transaction: an ACK to a 2xx, or what is forwarded
--- statelessly (16.11).
---@param spec sip.ForwardSpec
---@return true? ok
---@return string? name
---@return string? why
function Stack:pass(spec) end

--- What only who knows the stack's secret can make of this text.
---@param text string
---@return string? seal  13 characters of 0-9 and a-v
---@return string? name
---@return string? why
function Stack:seal(text) end

--- The branch with which a request is passed on statelessly: the same for its
--- repetitions, its CANCEL and its ACK to a failure (16.11). Responses that bring it
--- back are sent on by the stack.
---@param request sip.Message
---@return string? branch
---@return string? name  "invalid" when it did not come by a stack
---@return string? why
function Stack:stateless_branch(request) end

--- The mark of our Record-Route for the call that a request begins: only we can make
--- it, and it knows the Call-ID and the tag of who began the call.
---@param request sip.Message
---@return string? mark  13 characters
---@return string? name
---@return string? why
function Stack:mark(request) end

--- Is this the mark of the call that a request of either side belongs to?
---@param request sip.Message
---@param mark string
---@return boolean
function Stack:is_marked(request, mark) end

--- A token of the way to one end of the call that a request begins, for our
--- Record-Route. Only we can make it or read it, and only for this call and end.
---@param request sip.Message
---@param which "caller"|"callee"
---@param way sip.Place
---@return string? token
---@return string? name
---@return string? why
function Stack:token(request, which, way) end

--- The way that a Record-Route of ours has for a request that came along it, to the end
--- that has not sent it; nil: none, or it was made up, or is of another call.
---@param request sip.Message
---@param uri string
---@return sip.Place? way
function Stack:token_way(request, uri) end

--- Whether what comes inside dialogs along our Record-Route is passed on below, as far
--- as that is simple: ACK and what is no INVITE, to addresses. Else all goes up.
---@param on boolean
function Stack:relaying(on) end

--- Send a request in a transaction of its own. Via, and when no header gives them
--- Max-Forwards and Content-Length, are added. More than 1300 bytes meant for UDP go by
--- TCP when the stack listens there, and by UDP when that is refused (18.1.1).
---@param spec sip.RequestSpec
---@return sip.ClientTx? tx
---@return string? name  of the C list of errors
---@return string? why
function Stack:request(spec) end

--- Send a request without a transaction: the ACK to a 2xx (13.2.2.4).
---@param spec sip.RequestSpec
---@return sip.Sent? sent
---@return string? name
---@return string? why
function Stack:send(spec) end

---@class sip.ListenSpec
---@field transport? sip.Transport
---@field host string
---@field port? integer            0: any
---@field advertise? string        the host that others are told instead
---@field advertise_port? integer  the port that they are told

--- Listen.
---@param at sip.ListenSpec
---@return integer? port
---@return string? name
---@return string? why
function Stack:listen(at) end

--- What Via and Contact name towards this peer, what that is on this machine, and which
--- listener it is, in the order of `listen`; 0: none.
---@param transport sip.Transport
---@param ip string
---@param port? integer
---@param flow? integer  as in sip.RequestSpec
---@param own? string    likewise
---@return string? host
---@return integer|string|nil port  or the error's name
---@return string? address          or why
---@return integer? listener
function Stack:local_for(transport, ip, port, flow, own) end

--- Whether this is an address of this machine, or one that others are told of it, and a
--- port that we listen on.
---@param ip string
---@param port integer
---@return boolean
function Stack:is_own(ip, port) end

--- Whether the way that a place is bound to is still there: its connection, or a socket
--- for datagrams of that family.
---@param place sip.Place
---@return boolean
function Stack:is_there(place) end

--- Send keep-alives there, until the end or until one is not answered; "kept" follows.
--- On a stream they are pings, over UDP STUN where `answered`, else two CRLFs.
---@param spec { transport: sip.Transport, host: string, port: integer, flow?: integer,
---  own?: string, low: number, high: number, answered: boolean }  low and high: seconds
---  from one to the next, at least and at most
---@return integer? id
---@return string? name  "gone" with the connection, "limit"
---@return string? why
function Stack:keep(spec) end

--- Send a response that was astray to a place. When no connection to there can be had,
--- it is astray again, with this attempt.
---@param spec { message: sip.Message, attempt: integer, transport: sip.Transport,
---  host: string, port: integer, server_name?: string }
---@return true? ok
---@return string? name
---@return string? why
function Stack:give_back(spec) end

--- Send them no more, and tell nothing.
---@param id integer
function Stack:keep_end(id) end

--- What its TLS is made of; before it listens.
---@param config { ca?: string, verify?: boolean,
---  clients?: "none"|"optional"|"required",
---  pairs?: { domain?: string, cert: string, key: string }[] }
---@return true? ok
---@return string? name
---@return string? why  names the file that is wrong
function Stack:tls(config) end

--- Whose pages may open WebSockets to us, before it listens.
---@param lines string  origins, each ended by a line feed
---@return true? ok
---@return string? name
---@return string? why
function Stack:origins(lines) end

--- What the WebSockets ask for that it opens from here on.
---@param target string  a path, and a query: at most 512 bytes
---@return true? ok
---@return string? name
---@return string? why
function Stack:asks(target) end

--- The identities (RFC 5922 7.1) that the peer of a message's connection has proven.
---@param message sip.Message
---@return string[] names  in lower case
function Stack:peer_names(message) end

--- What the peer has said that opened the WebSocket of this message.
---@param message sip.Message
---@return sip.Handshake? said  nil when it came by none, or that is gone
function Stack:handshake(message) end

--- Look up a name; "records" follows with this token.
---@param name string
---@param type "A"|"AAAA"|"SRV"|"NAPTR"
---@return integer? token
---@return string? name
---@return string? why
function Stack:resolve(name, type) end

--- Counts of what passed, and of what is alive.
---@return table<string, integer>
function Stack:stats() end

--- Who was stopped most often by a rule: at most 16, in no order.
---@return { address: string, rule: string, count: integer, at: number }[]
function Stack:offenders() end

--- Somebody at this address has not known a password.
---@param ip string
---@return boolean more  whether more of that is taken of it
function Stack:failed_login(ip) end

--- Somebody at this address knows one, and has used a nonce that was given to it: it
--- has standing (doc/internet.md).
---@param ip string
function Stack:good_login(ip) end

--- End it at once; nothing is sent.
function Stack:close() end

---@class sip.Sent
local Sent = {}

--- The same bytes once more, on the same way.
---@return true? ok
---@return string? name
---@return string? why
function Sent:again() end

---@class sip.ServerTx
local ServerTx = {}

---@class sip.ResponseSpec
---@field reason? string      the standard phrase when left out
---@field headers? string[]   name, value, name, value ...
---@field body? string
---@field tag? string         the To tag from here on; made by the stack when left out
---@field until_ack? boolean  repeat this 2xx until acked() or 64*T1 (13.3.1.4)
---@field record_route? boolean copy Record-Route (12.1.1)

--- Answer the request. After a 2xx to an INVITE more of them may follow (RFC 6026
--- 7.1), made like the first and with its tag: each goes out once, beside one that is
--- repeated, or with `until_ack` is repeated in its place.
---@param status integer 100 to 699
---@param spec? sip.ResponseSpec
---@return true? ok
---@return string? name  "state" after a final, "invalid", "gone"
---@return string? why
function ServerTx:respond(status, spec) end

--- Send a response on that answers what was forwarded: without its topmost Via, with
--- these edits. Provisional ones, the final one, and further 2xx to an INVITE.
---@param response sip.Message
---@param edits? string[]  as those of sip.ForwardSpec
---@return true? ok
---@return string? name  "state" after a final, "invalid", "gone"
---@return string? why
function ServerTx:forward(response, edits) end

--- End it without a word: its request is forwarded statelessly.
---@return true? ok
---@return string? name  "state" after a final, "gone"
---@return string? why
function ServerTx:drop() end

--- This ACK to the repeated 2xx has come: when that is from where the 2xx went, its
--- source has standing. Without one: none need come any more.
---@param ack? sip.Message
function ServerTx:acked(ack) end

--- Where the request came from.
---@return string? ip
---@return integer? port
---@return sip.Transport? transport
function ServerTx:source() end

--- Where responses go: where the request came from, unless a maddr leads elsewhere
--- (18.2.2).
---@return string? ip
function ServerTx:reply_host() end

--- What Contact names towards whoever sent the request, what that is on this machine,
--- and which listener it came to, as `Stack:local_for` has them.
---@return string? host
---@return integer? port
---@return string? address
---@return integer? listener
function ServerTx:local_address() end

--- Is the same request under way on another branch (8.2.2.2)?
---@return boolean
function ServerTx:is_merged() end

--- The To tag that responses get.
---@return string?
function ServerTx:tag() end

--- Unique in its stack.
---@return integer
function ServerTx:id() end

--- "trying", "proceeding", "accepted", "completed", "confirmed" or "terminated".
---@return string
function ServerTx:state() end

---@class sip.ClientTx
local ClientTx = {}

--- CANCEL an INVITE: at once, or with its first provisional response (9.1). Without a
--- final in the 64*T1 after it, "failed" comes with "timeout".
---@return true? ok
---@return string? name  "state" after the final, "invalid" for another method
---@return string? why
function ClientTx:cancel() end

--- Unique in its stack.
---@return integer
function ClientTx:id() end

--- "calling", "trying", "proceeding", "accepted", "completed" or "terminated".
---@return string
function ClientTx:state() end

--- Be done with a forwarded INVITE: from here on the stack itself sends each 2xx on
--- through that server transaction (RFC 6026 8.9), and nothing of this one is told.
---@param server_tx sip.ServerTx
---@return true? ok
---@return string? name  "gone"; "invalid" the second time
---@return string? why
function ClientTx:hand_over(server_tx) end
