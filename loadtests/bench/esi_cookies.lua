-- wrk: the same page, each request with one of 64 cookies in turn. By loadtests/bench/esi_peers.py; ESI_GZIP=1 asks for gzip.
local requests, number = {}, 0
local sets = "abcdefgh"
init = function(args)
  if os.getenv("ESI_GZIP") == "1" then wrk.headers["Accept-Encoding"] = "gzip" end
  for visitor = 1, 64 do
    local set = sets:sub(visitor % 8 + 1, visitor % 8 + 1)
    wrk.headers["Cookie"] = "v=visitor-" .. visitor .. "; set=" .. set
    requests[visitor] = wrk.format("GET", wrk.path)
  end
end
request = function()
  number = number % 64 + 1
  return requests[number]
end
