std = "lua54"
max_line_length = 88
files["spec"] = { std = "+busted" }
files["*.rockspec"] = { std = "rockspec" }
exclude_files = { "build" }
