-- The routing of proxy_lua.cfg, run by kamailio's app_lua.
-- luacheck: globals KSR ksr_request_route

local routes = { bench = os.getenv "TARGET" }

local function in_dialog()
  if KSR.rr.loose_route() > 0 then
    KSR.tm.t_relay()
  elseif KSR.is_method_in "A" then
    if KSR.tm.t_check_trans() > 0 then
      KSR.tm.t_relay()
    end
  else
    KSR.sl.sl_send_reply(481, "Call/Transaction Does Not Exist")
  end
end

local function outside()
  KSR.tm.t_check_trans()
  local where = routes[KSR.pv.gete "$rU"]
  if not where then
    return KSR.sl.sl_send_reply(404, "Not Found")
  end
  KSR.rr.record_route()
  KSR.pv.sets("$du", where)
  KSR.tm.t_relay()
end

function ksr_request_route()
  if KSR.maxfwd.process_maxfwd(70) < 0 then
    KSR.sl.sl_send_reply(483, "Too Many Hops")
  elseif KSR.is_method_in "C" then
    if KSR.tm.t_check_trans() > 0 then
      KSR.tm.t_relay()
    end
  elseif KSR.siputils.has_totag() > 0 then
    in_dialog()
  else
    outside()
  end
end
