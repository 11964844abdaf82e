-- wrk's requests of benchmarks/serving: new events at the present time, or the lines of a file in turn.
-- Arguments: path, "events" customers terminals first_id, or path, "file" name.
local ffi = require("ffi")
local path, kind, bodies, first, customers, terminals
local count, failed = 0, 0

ffi.cdef [[
  typedef struct { long seconds, microseconds; } instant;
  int gettimeofday(instant *now, void *zone);
]]
local now = ffi.new("instant")

function setup(thread)
  thread:set("number", 0)
end

function init(arguments)
  path, kind = arguments[1], arguments[2]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  if kind == "events" then
    customers, terminals, first = tonumber(arguments[3]), tonumber(arguments[4]), tonumber(arguments[5])
    math.randomseed(first % 1000003)
  else
    bodies = {}
    for line in io.lines(arguments[3]) do bodies[#bodies + 1] = line end
  end
end

function request()
  count = count + 1
  if kind == "file" then
    return wrk.format(nil, path, nil, bodies[(count - 1) % #bodies + 1])
  end
  ffi.C.gettimeofday(now, nil)
  local body = string.format(
    '{"transaction_id":%.0f,"event_timestamp":"%s.%06dZ","customer_id":%d,"terminal_id":%d,"amount_usd":%.2f}',
    first + count, os.date("!%Y-%m-%dT%H:%M:%S", tonumber(now.seconds)), tonumber(now.microseconds),
    math.random(0, customers - 1), math.random(0, terminals - 1), math.random() * 200)
  return wrk.format(nil, path, nil, body)
end

function response(status)
  if status ~= 200 then failed = failed + 1; number = failed end
end

function done(summary, latency)
  io.write(string.format('RESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
