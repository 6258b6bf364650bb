-- wrk: another query in each request, so that none of them is in any cache. By loadtests/bench/miss_cost.py
local run = tostring(os.time()) .. tostring({}):gsub("%W", "")
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", "/plain?miss=" .. run .. number)
end
