--- The version of the Lua side; a spec holds it to that of the core.

return "0.1.0-dev"
