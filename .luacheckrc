std = "lua54"
max_line_length = 88
files["lua/sip/meta"] = { unused_args = false } -- signatures without bodies
files["spec"] = { std = "+busted" }
files["*.rockspec"] = { std = "rockspec" }
exclude_files = { "build" }
