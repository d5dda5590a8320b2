-- The playout buffer: order, loss, delay, drift, jumps.  RFC 3550 A.8's subject, not
-- its letter; G.711 Appendix I for what is filled in. C-146 (20 ms, other lengths).

local new = require("sip.test").jitter.new
local pcm = require "spec.support.pcm"

local FRAME = 160

-- A voice: 200 Hz and its overtones, so that a period is 40 samples.
local voice = pcm.of(80000, function(i)
  local t = 2 * math.pi * 200 * i / 8000
  return 6000 * math.sin(t) + 3000 * math.sin(2 * t) + 1500 * math.sin(5 * t)
end)

local function cut(first, count)
  return voice:sub(2 * first + 1, 2 * (first + count))
end

local SILENCE = ("\0"):rep(2 * FRAME)

describe("the playout buffer", function()
  local jitter, base

  before_each(function()
    jitter, base = new(), 0xfffffb00 -- wraps after eight packets
  end)

  local function put(n, count, first)
    count = count or FRAME
    first = first or n * count
    return jitter:put(7, base + first & 0xffffffff, n == 0, cut(first, count))
  end

  -- Frames from now on, joined, and what each of them was.
  local function get(frames)
    local out, kinds = {}, {}
    for i = 1, frames do
      out[i], kinds[i] = jitter:get(FRAME)
    end
    return table.concat(out), table.concat(kinds, " ")
  end

  -- Play `count` packets, each before its beat, and give the voice of the rest.
  local function run(first, count)
    for n = first, first + count - 1 do
      assert.equal("taken", put(n))
      jitter:get(FRAME)
    end
  end

  it("is silent until 40 ms after the first packet", function()
    assert.same({ SILENCE, "silence" }, { jitter:get(FRAME) })
    put(0)
    assert.same({ SILENCE, "silence" }, { jitter:get(FRAME) })
    put(1)
    assert.same({ SILENCE, "silence" }, { jitter:get(FRAME) })
    put(2)
    local first, kind = jitter:get(FRAME)
    assert.equal("voice", kind)
    assert.equal(cut(40, 120), first:sub(81)) -- after 4 ms of coming up
    put(3)
    assert.equal(cut(160, FRAME), (jitter:get(FRAME)))
  end)

  it("puts packets in order, over the wrap, and drops copies", function()
    for _, n in ipairs { 0, 2, 1, 3, 5, 4, 7, 6, 9, 8 } do
      assert.equal("taken", put(n))
      assert.equal("duplicate", put(n))
    end
    get(3)
    for n = 1, 9 do
      assert.same({ cut(n * FRAME, FRAME), "voice" }, { jitter:get(FRAME) })
    end
  end)

  it("takes packets of any length, overlapping ones too", function()
    put(0, 80)
    put(1, 80)
    assert.equal("taken", put(1, 240, 160))
    assert.equal("taken", put(1, 480, 300))
    assert.equal("duplicate", put(1, 100, 350))
    assert.equal(780, jitter:delay() - 320)
    get(3)
    assert.same({ cut(160, 480), "voice voice voice" }, { get(3) })
    assert.equal("late", put(1, 2049))
    assert.equal("late", put(1, 0))
  end)

  it("starts with the earliest of its first packets", function()
    put(2)
    put(1)
    put(0)
    local out, kinds = get(3)
    assert.equal("voice voice voice", kinds)
    assert.equal(cut(40, 440), out:sub(81))
  end)

  it("fills in a lost packet so that the voice goes on", function()
    run(0, 20)
    jitter:get(FRAME) -- the 18th, of two that were held
    jitter:get(FRAME)
    local filled, kind = jitter:get(FRAME)
    assert.equal("concealed", kind)
    -- A steady voice: at first just what was lost, then fading.
    assert.equal(cut(20 * FRAME, 80), filled:sub(1, 160))
    assert.is_true(pcm.peak_at(filled:sub(241), 8000, 200) < 5700)
    assert.is_true(pcm.peak_at(filled:sub(241), 8000, 200) > 3000)
    local rest, kinds = get(3)
    assert.equal("concealed concealed silence", kinds)
    assert.equal(SILENCE, rest:sub(-320))
  end)

  it("goes on without a click after a loss", function()
    run(0, 20)
    put(21)
    get(2)
    jitter:get(FRAME)
    local after, kind = jitter:get(FRAME)
    assert.equal("voice", kind)
    assert.equal(cut(21 * FRAME + 32, 128), after:sub(65))
    local samples = pcm.table(after)
    for i = 2, 40 do
      assert.is_true(math.abs(samples[i] - samples[i - 1]) < 3500)
    end
  end)

  it("waits for what is late, once it has been", function()
    -- From the 50th on each packet comes 60 ms later than before.
    for n = 0, 49 do
      put(n)
      jitter:get(FRAME)
    end
    get(3) -- two are held; the third is filled in
    local kinds = {}
    for n = 50, 99 do
      assert.equal("taken", put(n))
      kinds[#kinds + 1] = select(2, jitter:get(FRAME))
    end
    assert.is_nil(table.concat(kinds, " ", 2):find "concealed")
  end)

  it("grows to hold the jitter there is, and shrinks when it is over", function()
    -- Every second packet comes 100 ms late for two seconds: all are played then.
    local lost, at = 0, {}
    local function beat(n, late)
      at[n + late] = at[n + late] or {}
      table.insert(at[n + late], n)
      for _, packet in ipairs(at[n] or {}) do
        if put(packet, FRAME, packet * FRAME % 79680) == "late" then
          lost = lost + 1
        end
      end
      local kind = select(2, jitter:get(FRAME))
      return kind == "concealed" and 1 or 0
    end
    local concealed = 0
    for n = 0, 99 do
      concealed = concealed + beat(n, n % 2 == 1 and 5 or 0)
    end
    assert.is_true(concealed < 12 and lost < 5)
    assert.is_true(jitter:delay() >= 800)
    concealed = 0
    for n = 100, 199 do
      concealed = concealed + beat(n, n % 2 == 1 and 5 or 0)
    end
    assert.equal(0, concealed)
    for n = 200, 497 do
      beat(n, 0)
    end
    assert.is_true(jitter:delay() <= 1000)
  end)

  -- One sender's clock is `ppm` fast: how the delay and the filling in go for minutes.
  local function drift(ppm, beats)
    local most, concealed, sent = 0, 0, 0
    for n = 0, beats do
      -- Packets whose instant in our time has come.
      while sent * (1 - ppm / 1e6) <= n do
        local first = sent % 400 * FRAME
        jitter:put(7, base + sent * FRAME & 0xffffffff, sent == 0, cut(first, FRAME))
        sent = sent + 1
      end
      local kind = select(2, jitter:get(FRAME))
      if n > 10 then
        concealed = concealed + (kind == "voice" and 0 or 1)
        most = math.max(most, jitter:delay())
      end
    end
    return most, concealed
  end

  it("does not grow while the sender's clock is fast", function()
    -- Ten minutes, 300 ppm: 9 packets too many.
    local most, concealed = drift(300, 30000)
    assert.is_true(most <= 640)
    assert.equal(0, concealed)
  end)

  it("does not run dry while the sender's clock is slow", function()
    local most, concealed = drift(-300, 30000)
    assert.is_true(most <= 640)
    assert.is_true(concealed <= 12)
  end)

  it("never holds more than 200 ms for long", function()
    run(0, 10)
    for n = 10, 29 do -- a burst
      put(n)
    end
    jitter:get(FRAME)
    assert.is_true(jitter:delay() <= 1600)
  end)

  it("shrinks to 20 ms on a good network, without a click", function()
    local last = 0
    for n = 0, 499 do
      jitter:put(7, n * FRAME, n == 0, cut(n * FRAME % 80000, FRAME))
      for i, sample in ipairs(pcm.table((jitter:get(FRAME)))) do
        if n > 3 or i > 40 then
          assert.is_true(math.abs(sample - last) < 3500)
        end
        last = sample
      end
    end
    assert.equal(160, jitter:delay())
  end)

  it("starts afresh with a new SSRC", function()
    run(0, 10)
    jitter:put(8, 12345, false, cut(0, FRAME))
    assert.equal(FRAME + 320, jitter:delay())
    jitter:put(8, 12345 + FRAME, false, cut(FRAME, FRAME))
    get(3)
    assert.equal(cut(FRAME, FRAME), (jitter:get(FRAME)))
  end)

  it("follows a jump of timestamps at the second packet", function()
    run(0, 10)
    assert.equal("jump", jitter:put(7, 50000000, false, cut(0, FRAME)))
    assert.equal("taken", put(10))
    assert.equal("jump", jitter:put(7, 50000000, false, cut(0, FRAME)))
    assert.equal("taken", jitter:put(7, 50000160, false, cut(FRAME, FRAME)))
    assert.equal("taken", jitter:put(7, 50000320, false, cut(2 * FRAME, FRAME)))
    get(3)
    assert.equal(cut(2 * FRAME, FRAME), (jitter:get(FRAME)))
  end)

  it("is not led astray by a timestamp half way round", function()
    run(0, 10)
    for i, off in ipairs { 0x7fffffff, 0x7fffff60, 0x80000000, 0x80000640 } do
      local far = base + 10 * FRAME + off & 0xffffffff
      assert.equal("jump", jitter:put(7, far, false, cut(0, FRAME)))
      run(9 + i, 1)
    end
  end)

  it("follows a sender whose timestamps stand still while it is silent", function()
    run(0, 20)
    get(20) -- 400 ms of nothing
    for n = 20, 29 do
      assert.equal("taken", put(n))
      jitter:get(FRAME)
    end
    assert.equal(cut(28 * FRAME, FRAME), (jitter:get(FRAME)))
  end)

  it("begins a talkspurt with a delay of its own", function()
    run(0, 20)
    get(50)
    assert.equal("taken", jitter:put(7, base + 70 * FRAME & 0xffffffff, true,
      cut(0, FRAME)))
    assert.equal(FRAME + 320, jitter:delay())
  end)

  it("lives through anything", function()
    math.randomseed(7)
    for _ = 1, 20000 do
      local what = math.random(10)
      if what == 1 then
        jitter:put(math.random(2), math.random(0, 0xffffffff), math.random(2) == 1,
          cut(0, math.random(0, 2100)))
      elseif what < 6 then
        base = base + math.random(-200, 400) & 0xffffffff
        jitter:put(1, base, false, cut(0, math.random(1, 500)))
      else
        local samples = jitter:get(math.random(1, 480))
        assert.is_true(#samples > 0)
        assert.is_true(jitter:delay() <= 4096 + 1600)
      end
    end
  end)
end)
