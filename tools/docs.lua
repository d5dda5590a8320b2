--- `make docs`: write the generated pages of doc/, and fail when one of them was not
--- what it should have been. Each page is a module tools.doc_<name> with `render()`,
--- which gives the text, or nil and the reason why there is nothing to write.

package.path = "./?.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path
package.cpath = ("./%s/?.so;"):format(os.getenv "SIP_BUILD" or "build") .. package.cpath

local PAGES = { "rfc", "api", "fsm" }

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local changed = 0
os.execute "mkdir -p doc"
for _, page in ipairs(PAGES) do
  local path = ("doc/%s.md"):format(page)
  local text, why = require("tools.doc_" .. page).render()
  if not text then
    print(("docs: no %s: %s"):format(path, why))
  elseif text ~= read(path) then
    write(path, text)
    changed = changed + 1
    print(("docs: %s changed: look at it and commit it"):format(path))
  end
end
os.exit(changed == 0)
