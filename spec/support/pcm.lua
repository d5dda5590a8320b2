--- Audio in specs: strings of native int16, made and measured in plain Lua.

local M = {}

--- Samples of f(i), i from 0, rounded.
function M.of(count, f)
  local out = {}
  for i = 1, count do
    out[i] = string.pack("=i2", math.floor(f(i - 1) + 0.5))
  end
  return table.concat(out)
end

function M.sine(count, rate, frequency, peak)
  return M.of(count, function(i)
    return peak * math.sin(2 * math.pi * frequency * i / rate)
  end)
end

function M.table(samples)
  local out = {}
  for i = 1, #samples // 2 do
    out[i] = string.unpack("=i2", samples, 2 * i - 1)
  end
  return out
end

--- Each sample times this, rounded.
function M.scale(samples, gain)
  local values = M.table(samples)
  return M.of(#values, function(i)
    return values[i + 1] * gain
  end)
end

--- The mean of the squares.
function M.power(samples)
  local sum, values = 0, M.table(samples)
  for _, value in ipairs(values) do
    sum = sum + value * value
  end
  return #values > 0 and sum // #values or 0
end

--- Peak of the part of `samples` at one frequency (a single bin of a Fourier sum).
function M.peak_at(samples, rate, frequency)
  local re, im = 0, 0
  local values = M.table(samples)
  for i, value in ipairs(values) do
    local angle = 2 * math.pi * frequency * i / rate
    re = re + value * math.cos(angle)
    im = im + value * math.sin(angle)
  end
  return 2 * math.sqrt(re * re + im * im) / #values
end

function M.db(a, b)
  return 20 * math.log(a / b, 10)
end

return M
