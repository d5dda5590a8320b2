# luasip - see CONTRIBUTING.md for what each target is for.
#
# Plain GNU make (3.81 will do).  Release builds into build/, every other MODE
# into build/MODE/, so they never disturb each other.  Sources are found by
# wildcard: a new csrc/<folder>/<noun>.c needs no line here.  Targets for a kind
# of spec (wire, interop, bench ...) exist as soon as its folder does.

LUA        ?= lua5.4
LUAROCKS   ?= luarocks
PKG_CONFIG ?= pkg-config
CLANG      ?= clang
BUSTED     ?= busted
MODE       ?= release
JOBS       ?= 2
OUT        := build$(if $(filter-out release,$(MODE)),/$(MODE))
SUB        := $(MAKE) --no-print-directory
UNAME      := $(shell uname -s)

# --- the libraries: LuaRocks names folders, everybody else asks pkg-config ------

PKGS := libuv openssl libcares
ifdef LUA_INCDIR
LUA_CFLAGS := -I$(LUA_INCDIR)
else
LUA_PKG    := $(firstword $(foreach p,lua5.4 lua-5.4 lua54 lua, \
              $(shell $(PKG_CONFIG) --exists '$(p) >= 5.4' 2>/dev/null && echo $(p))))
LUA_CFLAGS := $(if $(LUA_PKG),$(shell $(PKG_CONFIG) --cflags $(LUA_PKG)))
MISSING    := $(if $(LUA_PKG),,lua5.4)
endif
ifdef LIBUV_INCDIR
LIB_CFLAGS := $(sort -I$(LIBUV_INCDIR) -I$(OPENSSL_INCDIR) -I$(CARES_INCDIR))
LIB_DIRS   := $(sort $(LIBUV_LIBDIR) $(OPENSSL_LIBDIR) $(CARES_LIBDIR))
LIB_LIBS   := $(foreach d,$(LIB_DIRS),-L$(d) -Wl,-rpath,$(d)) -luv -lssl -lcrypto -lcares
else
MISSING    += $(foreach p,$(PKGS), \
              $(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null || echo $(p)))
LIB_CFLAGS := $(if $(strip $(MISSING)),,$(shell $(PKG_CONFIG) --cflags $(PKGS)))
LIB_LIBS   := $(if $(strip $(MISSING)),,$(shell $(PKG_CONFIG) --libs $(PKGS)))
endif

# --- flags -----------------------------------------------------------------------

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
           -Wmissing-prototypes -Wvla -Wimplicit-fallthrough $(if $(CI),-Werror)
release := -O2 -g
debug   := -O0 -g3
asan    := -O1 -g3 -fno-omit-frame-pointer -fsanitize=address,undefined \
           -fno-sanitize-recover=all
tsan    := -O1 -g3 -fno-omit-frame-pointer -fsanitize=thread
cover   := -O0 -g --coverage
fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
MUST    := $(if $(filter-out release cover,$(MODE)),-DSIP_MUST_ABORTS)
SAN     := $(if $(filter asan tsan cover,$(MODE)),$($(MODE)))
ALL_CFLAGS := $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden \
           -fno-strict-aliasing -pthread $(WARN) $($(MODE)) $(MUST) -Icsrc \
           $(patsubst -I%,-isystem %,$(LUA_CFLAGS) $(LIB_CFLAGS))
ifeq ($(UNAME),Darwin)
ALL_LDFLAGS := -bundle -undefined dynamic_lookup $(LDFLAGS) $(SAN)
else
# nodelete: a sanitizer's report names our functions even after lua_close().
NODELETE := -Wl,-z,nodelete
ALL_LDFLAGS := -shared $(LDFLAGS) $(SAN) $(if $(SAN),$(NODELETE))
endif

# --- the modules -----------------------------------------------------------------

SRCS      := $(sort $(wildcard csrc/*/*.c))
TEST_ONLY := $(wildcard csrc/bind/l_test*.c)
CORE_OBJS := $(patsubst %.c,$(OUT)/obj/%.o,$(filter-out $(TEST_ONLY),$(SRCS)))
TEST_OBJS := $(patsubst %.c,$(OUT)/obj/%.o,$(SRCS))
CORE      := $(OUT)/sip/core.so
LIB_OBJS  := $(patsubst %.c,$(OUT)/obj/%.o,$(filter-out csrc/bind/%,$(SRCS)))
TEST      := $(if $(TEST_ONLY),$(OUT)/sip/test.so)

all: need $(CORE)

libs: all $(TEST)

need:
ifneq ($(strip $(MISSING)),)
	@echo "luasip: not found by $(PKG_CONFIG): $(strip $(MISSING))"
	@echo "luasip: 'sh tools/deps.sh build' installs what the build needs, or install"
	@echo "luasip: Lua 5.4, libuv, OpenSSL 3 and c-ares with their headers"
	@exit 1
endif

$(OUT)/obj/csrc/media/%.o: OPT := $(if $(filter release,$(MODE)),-O3)
$(OUT)/obj/%.o: %.c Makefile | need
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(OPT) -MMD -MP -c -o $@ $<

# The list of objects is an input too: a removed source links again.
$(OUT)/%.objs: always
	@mkdir -p $(@D)
	@echo '$(OBJS)' | cmp -s - $@ || echo '$(OBJS)' > $@
$(OUT)/core.objs: OBJS := $(CORE_OBJS)
$(OUT)/test.objs: OBJS := $(TEST_OBJS)

$(CORE): $(CORE_OBJS) $(OUT)/core.objs
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(CORE_OBJS) $(LIB_LIBS) -pthread -lm

$(OUT)/sip/test.so: $(TEST_OBJS) $(OUT)/test.objs
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(TEST_OBJS) $(LIB_LIBS) -pthread -lm

-include $(TEST_OBJS:.o=.d)

# --- specs -----------------------------------------------------------------------
#
# Dependencies are installed first and make runs again below: pkg-config and
# wildcard are evaluated when make reads this file.

RUN = SIP_BUILD=$(OUT) $(LUA) "$$(command -v $(BUSTED))" --ignore-lua

test:
	@sh tools/deps.sh test
	@$(SUB) -s -j$(JOBS) libs
	@$(SUB) run-test

# Specs of the command start it as its users do: with the build that it finds.
command:
	@$(SUB) -s -j$(JOBS) MODE=release all

run-test: $(if $(filter-out release,$(MODE)),command)
	@$(RUN) $(ARGS)

# $(call suite,name): `make name` runs spec/name, if there is one.
define suite
ifneq ($$(wildcard spec/$(1)/*_spec.lua),)
SUITES += $(1)
$(1):
	@sh tools/deps.sh $(1)
	@$$(SUB) -s -j$$(JOBS) libs
	@SIP_RUN=$(1) $$(RUN) $$(ARGS) spec/$(1)
endif
endef
$(foreach s,interop oom soak,$(eval $(call suite,$(s))))

# Every order of what crosses at a forking proxy, each search a process of its own.
SEARCHES := $(patsubst spec/search/%_spec.lua,search-%,$(wildcard spec/search/*_spec.lua))
ifneq ($(SEARCHES),)
SUITES += search
search:
	@sh tools/deps.sh search
	@$(SUB) -s -j$(JOBS) libs
	@$(SUB) -j$(JOBS) $(SEARCHES)

search-%:
	@SIP_RUN=$@ $(RUN) $(ARGS) spec/search/$*_spec.lua
endif

# The real wire: its own specs, and then those of clauses and calls once more, with
# the same instants, on real sockets in virtual time (spec/support/wire_world.lua).
CLAUSES := spec/rfc spec/sim spec/examples_spec.lua
ifneq ($(wildcard spec/wire/*_spec.lua),)
SUITES += wire
wire:
	@sh tools/deps.sh wire
	@$(SUB) -s -j$(JOBS) libs
	@SIP_RUN=wire $(RUN) $(ARGS) spec/wire
	@SIP_RUN=sockets SIP_WIRE=real $(RUN) $(ARGS) $(CLAUSES)
endif

# The sanitizers: an interpreter of our own is linked with them, because one that is
# preloaded is handed on to every program that a spec starts.
SAN_ENV = SIP_RUN=$(MODE) SIP_BUILD=$(OUT) TSAN_OPTIONS=halt_on_error=1:$(TSAN_OPTIONS) \
          ASAN_OPTIONS=detect_leaks=1:$(ASAN_OPTIONS) UBSAN_OPTIONS=print_stacktrace=1 \
          LSAN_OPTIONS=suppressions=spec/support/lsan.supp:print_suppressions=0

$(OUT)/lua: spec/support/lua.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,-E -o $@ $< $(shell $(PKG_CONFIG) --libs $(LUA_PKG))

# The one whose OpenSSL runs out of memory: spec/oom/tls_spec.lua makes and starts it.
$(OUT)/oom_lua: spec/oom/openssl.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,-E -o $@ $< \
	  $(shell $(PKG_CONFIG) --libs $(LUA_PKG) openssl)

run-san: command
	@$(SAN_ENV) $(OUT)/lua "$$(command -v $(BUSTED))" --ignore-lua $(ARGS)

asan:
	@sh tools/deps.sh test
	@$(SUB) -s -j$(JOBS) MODE=asan libs build/asan/lua
	@SIP_ALSO=wire $(SUB) MODE=asan run-san
	@SIP_WIRE=real $(SUB) MODE=asan run-san ARGS="$(ARGS) $(CLAUSES)"

gc:
	@sh tools/deps.sh test
	@$(SUB) -s -j$(JOBS) libs
	@SIP_RUN=gc SIP_GC=1 $(SUB) run-test

valgrind:
	@sh tools/deps.sh valgrind
	@$(SUB) -s -j$(JOBS) MODE=debug libs
	@BUSTED="$$(command -v $(BUSTED))"; SIP_RUN=valgrind SIP_BUILD=build/debug \
	  valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
	  --suppressions=spec/support/valgrind.supp $(LUA) "$$BUSTED" --ignore-lua $(ARGS)

# Programs in C that are specs of their own: spec/tsan/<name>_test.c, linked with
# everything but the bindings.
$(OUT)/%_test: spec/%_test.c $(LIB_OBJS)
	@mkdir -p $(@D)
	$(CC) $(filter-out -Wmissing-prototypes,$(ALL_CFLAGS)) $(LDFLAGS) -o $@ $< \
	  $(LIB_OBJS) $(LIB_LIBS) -pthread -lm

# Beside them what has a second thread: media, and files.
THREADS := $(wildcard $(patsubst %,spec/wire/%_spec.lua,call file loop media))
ifneq ($(wildcard spec/tsan/*_spec.lua),)
SUITES += tsan
tsan:
	@sh tools/deps.sh test
	@$(SUB) -s -j$(JOBS) MODE=tsan libs build/tsan/lua tsan-programs
	@$(SUB) MODE=tsan run-san ARGS="$(ARGS) spec/tsan $(THREADS)"

# They run here; their specs read what they said.
TSAN_TESTS := $(patsubst spec/%.c,$(OUT)/%,$(wildcard spec/tsan/*_test.c))

tsan-programs: $(TSAN_TESTS)
	@for test in $(TSAN_TESTS); do \
	  { $$test && echo passed; } > $$test.log 2>&1 || echo failed >> $$test.log; done
endif

# --- fuzzing: each spec/fuzz/<name>.c, from spec/fuzz/corpus/<name>/ ---------------

FUZZERS := $(patsubst spec/fuzz/%.c,%,$(wildcard spec/fuzz/*.c))
SECONDS ?= 30
ifneq ($(FUZZERS),)
SUITES += fuzz fuzz-long
fuzz:
	@sh tools/deps.sh fuzz
	@$(SUB) -s -j$(JOBS) MODE=fuzz CC=$(CLANG) fuzzers
	@sh tools/fuzz.sh $(SECONDS) $(if $(TARGET),$(TARGET),$(FUZZERS))

fuzz-long:
	@while $(SUB) fuzz SECONDS=600; do :; done

fuzzers: $(patsubst %,$(OUT)/%,$(FUZZERS))

build/fuzz/%: spec/fuzz/%.c $(LIB_OBJS)
	@mkdir -p $(@D)
	$(CC) $(filter-out -Wmissing-prototypes -fsanitize=%,$(ALL_CFLAGS)) $(LDFLAGS) \
	  -fsanitize=fuzzer,address,undefined -o $@ $< $(LIB_OBJS) $(LIB_LIBS) -pthread -lm
endif

# --- what it costs: programs in C beside those of other libraries, and calls -------
#
# QUICK=1 takes a sample, in six minutes.

ifneq ($(wildcard spec/bench/run.lua),)
SUITES += bench
BENCHES := luasip osip sofia
bench:
	@sh tools/deps.sh bench
	@$(SUB) -s -j$(JOBS) all $(BENCHES:%=build/bench/msg_%) build/bench/relay \
	  build/bench/streams
	@LUA=$(LUA) QUICK=$(QUICK) $(LUA) spec/bench/run.lua

build/bench/msg_luasip: $(LIB_OBJS)
build/bench/msg_luasip: PEER_LIBS = $(LIB_OBJS) $(LIB_LIBS) -pthread -lm
build/bench/msg_osip: PEER_LIBS = -losipparser2
build/bench/msg_sofia: PEER_LIBS = $(shell $(PKG_CONFIG) --libs sofia-sip-ua)
build/bench/msg_sofia: PEER_CFLAGS = $(patsubst -I%,-isystem %, \
  $(shell $(PKG_CONFIG) --cflags sofia-sip-ua))

build/bench/msg_%: spec/bench/msg_%.c spec/bench/msg_harness.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PEER_CFLAGS) $(LDFLAGS) -o $@ $< $(PEER_LIBS)

build/bench/relay: spec/bench/relay.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $<

build/bench/streams: spec/bench/streams.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(LIB_LIBS)
endif

# --- a call to watch -----------------------------------------------------------------

demo:
	@sh tools/deps.sh demo
	@$(SUB) -s -j$(JOBS) all
	@LUA='$(LUA)' sh tools/demo.sh

# --- what reads the sources --------------------------------------------------------

HEADERS   := $(wildcard csrc/*/*.h)
LUA_FILES  = $(wildcard lua spec examples tools) bin/luasip .busted .luacheckrc

lint:
	@sh tools/deps.sh lint
	@$(SUB) -s libs
	@$(SUB) -s -j$(JOBS) run-lint

run-lint: lint-format lint-tidy lint-lua

lint-format:
	clang-format --dry-run -Werror $(SRCS) $(HEADERS) $(wildcard spec/*/*.c)

lint-tidy: $(patsubst %.c,build/lint/%.ok,$(SRCS))

build/lint/%.ok: %.c $(HEADERS) .clang-tidy tools/lint.h
	@mkdir -p $(@D)
	clang-tidy --quiet $< -- $(ALL_CFLAGS) -include tools/lint.h >$@.log 2>&1 || \
	  { grep -E "(error|warning): " $@.log; echo "the way there: $@.log"; exit 1; }
	@touch $@

lint-lua:
	luacheck -q $(LUA_FILES) *.rockspec
	$(LUAROCKS) --lua-version 5.4 lint *.rockspec
	$(LUA) tools/sizes.lua

format:
	@sh tools/deps.sh lint
	clang-format -i $(SRCS) $(HEADERS) $(wildcard spec/*/*.c)

COVERED   := spec/unit spec/rfc spec/sim spec/wire spec/examples_spec.lua
cover:
	@sh tools/deps.sh test
	@find build/cover -name '*.gcda' -delete 2>/dev/null || :
	@$(SUB) -s -j$(JOBS) MODE=cover libs
	@SIP_RUN=cover SIP_COVER=build/cover/lua.lines $(SUB) MODE=cover run-test \
	  ARGS="$(or $(ARGS),$(wildcard $(COVERED)))"
	@$(LUA) tools/cover.lua build/cover >build/cover/report.txt
	@sed -n '/^total/,$$p' build/cover/report.txt

docs:
	@sh tools/deps.sh test
	@$(SUB) -s -j$(JOBS) libs
	@SIP_BUILD=$(OUT) $(LUA) tools/docs.lua

check:
	@$(SUB) lint
	@$(SUB) test
	@$(SUB) asan
	@$(SUB) docs

# --- install, clean --------------------------------------------------------------

install: all
	mkdir -p "$(INST_LIBDIR)/sip" "$(INST_LUADIR)"
	cp $(CORE) "$(INST_LIBDIR)/sip/"
	cp -R lua/sip "$(INST_LUADIR)/"

clean:
	rm -rf build

always:
.PHONY: all libs need command test run-test asan run-san gc valgrind tsan-programs \
  fuzzers lint demo run-lint lint-format lint-tidy lint-lua format cover docs check install \
  clean always $(SUITES)
