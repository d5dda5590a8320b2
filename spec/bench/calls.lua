-- Calls answered, and calls held before their answer, by luasip and by sipp.

local load = require "spec.bench.load"

local M = {}

local PORT = 25110
local LISTEN = "udp:127.0.0.1:" .. PORT

local servers = {
  luasip = { answer = load.luasip("uas", LISTEN), hold = load.luasip("early", LISTEN) },
  sipp = {
    answer = ("sipp -sn uas -i 127.0.0.1 -p %d -cp %d -nostdin -buff_size 4000000")
      :format(PORT, PORT + 1),
    hold = load.answerer("uas_hold", PORT),
  },
}

--- CPU-seconds per 1000 calls in the last `window` seconds.
function M.answer(name, rate, seconds, window)
  return load.answered { name = "answer_" .. name, server = servers[name].answer,
    port = PORT, scenario = "uac", rate = rate, seconds = seconds, window = window }
end

--- Bytes of the server per call that has been told 180 and nothing else.
function M.hold(name, count, rate)
  return load.held { name = "hold_" .. name, server = servers[name].hold, port = PORT,
    scenario = "uac_hold", rate = rate, count = count }
end

return M
