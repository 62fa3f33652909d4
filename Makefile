# mxward. The targets people use:
#   make            the programs, into $(BUILD)
#   make demo       the daemon at work in a private internet (tests/lab), ends by itself
#   make check      unit tests, plays, short fuzz runs, and the lab
#   make torture    the table: every execution, every instruction, thousands of writers killed, for
#                   SECONDS=600; then torture-store: the memory killed and damaged a thousand times
#   make check-asan, make check-tsan, make lint, make fuzz, make bench, make bench-NAME,
#   make bench-planted, make coverage, make install
# Nothing here needs editing when a file is added: folders are libraries, tests/X_test.c is a test,
# tests/plays/X_play.c a play, tests/fuzz/X_fuzz.c a fuzz target, bench/X_bench.c a benchmark, and
# tools/X.c (with tools/X/*.c beside it, if there is such a folder) a program.

BUILD    ?= build
CC       ?= gcc
PREFIX   ?= /usr/local
SANITIZE ?=
V        ?= 0
Q        := $(if $(filter 1,$(V)),,@)

# libunbound.pc wants libevent.pc, which a build against the pluggable event base does not need.
PACKAGES := openssl liburing libxxhash libconfuse libidn2 lmdb
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wcast-align -Wwrite-strings -Wundef -Wformat=2 -Wswitch-enum \
            -Werror $(if $(findstring clang,$(shell $(CC) --version)),-Wno-string-conversion,-Wno-format-truncation)
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
OPTIMISE ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -I.
PACKAGES_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PACKAGES_LIBS   := $(shell pkg-config --libs $(PACKAGES))
CFLAGS   += -std=gnu17 $(OPTIMISE) $(WARNINGS) -fno-common -pthread $(PACKAGES_CFLAGS)
LDFLAGS  += -pthread
LDLIBS   += $(PACKAGES_LIBS) -lunbound -lm
CHECK_LIBS := $(shell pkg-config --libs check)

ifeq ($(SANITIZE),)
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
CFLAGS   += $(HARDEN)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
ALLOCATOR := -ljemalloc
else
CFLAGS   += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SANITIZE)
ALLOCATOR :=
endif

# --- libraries: one a folder group, in the order of the layers (a lower one never needs a higher) ---
LIB_shm    := $(wildcard shm/*.c)
LIB_wire   := $(wildcard ipc/wire/*.c)
LIB_engine := $(wildcard engine/*.c engine/*/*.c)
LIB_serve  := $(wildcard ipc/serve/*.c)
LIB_decide := $(wildcard ipc/decide/*.c)
LIB_socket := $(wildcard ipc/socket/*.c)
LIB_gate   := $(wildcard ipc/gate/*.c)
LIB_client := $(wildcard ipc/client/*.c)
LIBRARIES  := gate client serve decide socket engine wire shm

object   = $(patsubst %.c,$(BUILD)/%.o,$(1))
archives := $(foreach l,$(LIBRARIES),$(BUILD)/lib$(l).a)

PROGRAMS := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/*.c))
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*_test.c))
PLAYS    := $(patsubst tests/plays/%.c,$(BUILD)/tests/plays/%,$(wildcard tests/plays/*_play.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*_bench.c))
FARM     := $(if $(wildcard tests/farm/*.c),$(BUILD)/tests/farm/farm)

.PHONY: all programs library tests farm demo check torture torture-table torture-store check-unit check-life check-plays check-fuzz check-lab \
        check-asan check-tsan lint fuzz fuzz-build fuzz-targets bench bench-planted coverage install clean \
        FORCE
.SECONDARY:
.DELETE_ON_ERROR:
all: programs library
programs: $(PROGRAMS)
tests: $(TESTS) $(PLAYS)
farm: $(FARM)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(filter 0,$(V)),@echo "  cc    $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The list beside each archive changes when a file comes or goes, and the archive is made again.
define library
$(BUILD)/lib$(1).a: $$(call object,$$(LIB_$(1))) $(BUILD)/lib$(1).list
	@rm -f $$@
	$$(Q)ar rcsD $$@ $$(filter %.o,$$^)
$(BUILD)/lib$(1).list: FORCE
	@mkdir -p $$(@D); echo '$$(LIB_$(1))' | cmp -s - $$@ || echo '$$(LIB_$(1))' >$$@
endef
FORCE:
$(foreach l,$(LIBRARIES),$(eval $(call library,$(l))))

link = $(if $(filter 0,$(V)),@echo "  link  $@" &&) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) \
       -Wl,--start-group $(archives) -Wl,--end-group

# Programs. jansson is for mxwardctl alone.
.SECONDEXPANSION:
$(PROGRAMS): $(BUILD)/%: $(BUILD)/tools/%.o $$(call object,$$(wildcard tools/%/*.c)) $(archives)
	$(link) $(LDLIBS) $(if $(filter %/mxwardctl,$@),-ljansson) $(ALLOCATOR)

# libmxward, for programs of others: shared and static from one object, in which nothing but mxw_* can
# be seen (mxward.h makes those visible), so that it cannot clash with a plugin's names. It is made of
# objects of its own: position independent, for plugins that are loaded, and with xxHash in them.
VERSION  := $(shell sed -n 's/^.define MXWARD_VERSION "\(.*\)"/\1/p' ipc/wire/version.h)
SONAME   := libmxward.so.0
SHARED   := $(BUILD)/libmxward.so.$(VERSION)
PIC      := $(BUILD)/pic
LIB_PIC  := $(LIB_decide) $(LIB_wire) $(LIB_shm) $(wildcard engine/names/*.c) engine/base/check.c
pic       = $(patsubst %.c,$(PIC)/%.o,$(1))
library: $(SHARED) $(BUILD)/libmxward.a $(BUILD)/libmxward.pc
$(PIC)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(filter 0,$(V)),@echo "  cc    $< (libmxward)")
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -fPIE,$(CFLAGS)) -fPIC -fvisibility=hidden -ffunction-sections -DXXH_INLINE_ALL= -MMD -MP -c -o $@ $<
$(PIC)/parts.a: $(call pic,$(LIB_PIC)) $(BUILD)/libdecide.list $(BUILD)/libwire.list $(BUILD)/libshm.list
	@rm -f $@
	$(Q)ar rcsD $@ $(filter %.o,$^)
$(PIC)/mxward.o: $(call pic,$(LIB_client)) $(PIC)/parts.a $(BUILD)/libclient.list
	$(Q)$(LD) -r -o $@ $(filter %.o,$^) --start-group $(PIC)/parts.a --end-group
	$(Q)objcopy --localize-hidden $@
$(BUILD)/libmxward.a: $(PIC)/mxward.o
	@rm -f $@
	$(Q)ar rcsD $@ $<
$(SHARED): $(PIC)/mxward.o ipc/client/libmxward.map
	$(if $(filter 0,$(V)),@echo "  link  $@" &&) $(CC) -shared $(filter-out -fPIE,$(CFLAGS)) $(filter-out -pie,$(LDFLAGS)) \
	    -Wl,-soname,$(SONAME) -Wl,--version-script,ipc/client/libmxward.map $(if $(SANITIZE),,-Wl,-z,defs) \
	    -Wl,--gc-sections -Wl,--as-needed -o $@ $< $$(pkg-config --libs libidn2)
# Whoever installs says where: tools/install-files fills in the prefix.
$(BUILD)/libmxward.pc: ipc/client/libmxward.pc.in ipc/wire/version.h
	@mkdir -p $(@D)
	$(Q)sed 's|@VERSION@|$(VERSION)|' $< >$@

$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(archives)
	$(link) $(CHECK_LIBS) $(LDLIBS)
# What fails when it is told to: defined in the program, so that libraries get it, too.
$(BUILD)/tests/store_durability_test: $(call object,$(wildcard tests/shim/*.c))
# A part of a program, and not of a library.
$(BUILD)/tests/postfix_log_test: $(call object,tools/mxwardctl/postfix_log.c)
$(BUILD)/tests/follow_test: $(call object,tools/mxwardctl/follow.c)
$(BUILD)/tests/names_memory_test $(BUILD)/tests/gate_memory_test: $(call object,tests/shim/memory.c)
# Those of programs run the program itself.
$(filter $(BUILD)/tests/ctl_%,$(TESTS)): | $(BUILD)/mxwardctl
$(filter $(BUILD)/tests/daemon_%,$(TESTS)): | $(BUILD)/mxward $(BUILD)/mxwardctl
$(filter $(BUILD)/tests/gate_program_%,$(TESTS)): | $(BUILD)/mxward-gate

# Plays replace the world (ring, resolver, clock) at link time: what stands in tests/plays/world is
# linked first, so the archive's own members are never pulled in.
# They also make allocations fail, and pools small: by the names below, in the objects linked here.
WRAPPED := malloc calloc realloc aligned_alloc strdup mmap open_memstream pool_create CRYPTO_set_mem_functions
WORLD := $(call object,$(wildcard tests/plays/world/*.c))
$(PLAYS): $(BUILD)/tests/plays/%: $(BUILD)/tests/plays/%.o $(WORLD) $(archives)
	$(link) $(WRAPPED:%=-Wl,--wrap=%) $(CHECK_LIBS) $(LDLIBS)

$(BUILD)/tests/farm/farm: $(call object,$(wildcard tests/farm/*.c)) $(archives)
	@mkdir -p $(@D)
	$(link) $(LDLIBS)

$(BENCHES): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(call object,$(wildcard bench/common/*.c)) $(archives)
	$(link) $(LDLIBS) $(ALLOCATOR)
$(BUILD)/bench/rpc_hot_bench: $(call object,$(wildcard bench/rpc_hot/*.c))

# --- tests: built side by side, run one after the other, because some of them look at the clock ---
side_by_side = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
check:
	@$(side_by_side) programs library tests farm $(BENCHES)
	@$(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory check-life
	@$(MAKE) --no-print-directory check-plays
	@$(MAKE) --no-print-directory check-fuzz
	@$(MAKE) --no-print-directory check-lab

# What is installed is not what sanitizers are for: tests/library looks at that.
check-unit: $(TESTS) $(if $(SANITIZE),,library programs)
	@BUILD=$(BUILD) tests/run $(filter-out $(UNIT_SKIP:%=$(BUILD)/tests/%_test),$(TESTS)) \
	    $(if $(SANITIZE),,tests/library)
# The life of the table's files, in spin.
check-life:
	@BUILD=$(BUILD) tests/run tests/table_life
# Plays have clocks of their own: they may take as long as they like.
check-plays: $(PLAYS)
	@TEST_SECONDS=1200 tests/run $(PLAYS)
check-lab: programs $(FARM)
	@BUILD=$(BUILD) tests/lab/run check || { code=$$?; [ $$code = 77 ] && [ -z "$$LAB_MUST_RUN" ] || exit $$code; \
	    echo "SKIPPED: the lab cannot run on this machine (see above)" >&2; }
# Each with a build of its own. $(call again,FOLDER,SANITIZERS,TARGETS)
again = $(side_by_side) BUILD=$(BUILD)/$(1) SANITIZE=$(2) OPTIMISE="-O1 -g" tests farm && \
        $(MAKE) --no-print-directory BUILD=$(BUILD)/$(1) SANITIZE=$(2) OPTIMISE="-O1 -g" $(3)
comma := ,
# Not again: what runs other programs or waits for most of its time, a thousand kills, and single
# instructions, which are not the sanitizers'. What has one thread has no races.
check-asan:
	@$(call again,asan,address$(comma)undefined,check-unit check-plays UNIT_SKIP="ctl_postfix ctl_scan gate_stall store_durability table_instruction")
check-tsan:
	@$(call again,tsan,thread,check-unit UNIT_SKIP="table_instruction table_model")

# What takes minutes. Of the table: the long forms of its proofs, then SECONDS of kills.
SECONDS ?= 600
TORTURED := model instruction files
torture:
	@$(MAKE) --no-print-directory torture-table
	@$(MAKE) --no-print-directory torture-store
torture-table: $(TORTURED:%=$(BUILD)/tests/table_%_test) $(BUILD)/tests/table_torture_test
	@TABLE_TORTURE=1 TEST_SECONDS=7200 BUILD=$(BUILD) tests/run tests/table_life $(TORTURED:%=$(BUILD)/tests/table_%_test)
	@$(BUILD)/tests/table_torture_test $(SECONDS)
# A thousand kills, a thousand crashes of the disk, every byte damaged.
torture-store: $(BUILD)/tests/store_durability_test $(BUILD)/tests/store_mend_test
	@STORE_TORTURE=1 TEST_SECONDS=7200 tests/run $^

demo: programs $(FARM)
	@BUILD=$(BUILD) tests/lab/run demo

# --- fuzzing: libFuzzer; `make fuzz` ten minutes a target, `make check` a few seconds ---
FUZZ_SECONDS ?= 600
fuzz-build:
	@$(side_by_side) BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined \
	    OPTIMISE="-O1 -g" fuzz-targets
fuzz-targets: $(FUZZ)
$(FUZZ): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(archives)
	$(link) -fsanitize=fuzzer $(LDLIBS)
$(BUILD)/tests/fuzz/postfix_log_fuzz: $(call object,tools/mxwardctl/postfix_log.c)
fuzz: fuzz-build
	@tests/fuzz/run $(BUILD)/fuzz/tests/fuzz $(FUZZ_SECONDS)
check-fuzz:
	@$(MAKE) --no-print-directory FUZZ_SECONDS=5 fuzz

# --- benchmarks: JSON lines on standard output, and kept in bench/results ---
bench: $(BENCHES) $(FARM) programs
	@fell=0; for b in $(BENCHES); do BUILD=$(BUILD) bench/keep $$b || { fell=1; echo "bench: $$b: exit $$?" >&2; }; done; \
	    BUILD=$(abspath $(BUILD)) bench/keep bench/mail || fell=1; exit $$fell
# That the bars can fall: a slowdown of 20 % is planted.
bench-planted: $(BENCHES) $(FARM) programs
	@BUILD=$(BUILD) bench/planted $(BENCHES)
bench-%: $(BUILD)/bench/%_bench $(FARM) programs
	@BUILD=$(BUILD) bench/keep $<
# What mail servers wait for is measured twice: at the socket, and by messages.
bench-socketmap: $(BUILD)/bench/socketmap_bench $(FARM) programs
	@fell=0; BUILD=$(BUILD) bench/keep $< || fell=$$?; \
	    BUILD=$(abspath $(BUILD)) bench/keep bench/mail || fell=$$?; exit $$fell

lint:
	@tools/lint
coverage:
	@tools/coverage $(BUILD)/coverage
install: programs library
	@tools/install-files $(BUILD) "$(DESTDIR)" "$(PREFIX)"
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
