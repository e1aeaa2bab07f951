-- For wrk: a random key of the file KEYS each time, below PREFIX.
local keys = {}
for line in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = line end
local prefix = os.getenv("PREFIX") or "/"
math.randomseed(os.time())
request = function() return wrk.format("GET", prefix .. keys[math.random(#keys)]) end
