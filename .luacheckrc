std = "lua54"
max_line_length = 88
files["lua/sip/meta"] = { unused_args = false } -- signatures without bodies
files["spec"] = { std = "+busted" }
files["lua/sip/meta"] = { unused = false } -- declares what C holds: nothing is used
files["*.rockspec"] = { std = "rockspec" }
exclude_files = { "build" }
