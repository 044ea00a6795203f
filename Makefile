# Verbs; Meson knows how to build. "make help" lists them.
BUILD ?= build
SETUP  =
NAME  ?= $(firstword $(filter-out example,$(MAKECMDGOALS)))

.PHONY: help build run test matrix bench stress asan tsan nightly fmt lint install deps example clean
.DEFAULT_GOAL := help

help:                 ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 18

run: build            ## build, then serve examples/www and show what to try
	@tools/deps.sh build
	@tools/try $(BUILD)

test: build           ## unit, behaviour, conformance, corpus, examples; under a minute
	@tools/deps.sh build test
	@tests/run -C $(BUILD) $(if $(wildcard examples/*.c),--also 'tools/run-examples $(BUILD)')

matrix: build         ## which contracts hold, for each primitive, kind of task and backend
	@rm -f $(BUILD)/matrix
	@for backend in epoll poll select; do WEFT_BACKEND=$$backend WEFT_TEST_RECORD=$(BUILD)/matrix \
	    tests/run -C $(BUILD) conformance > $(BUILD)/matrix.log || grep '^#' $(BUILD)/matrix.log; done
	@tests/run --matrix $(BUILD)/matrix

bench: build          ## measure us and our peers (ONLY=yield for one)
	@tools/deps.sh bench
	@bench/run $(ONLY)

stress: build         ## seeded stress, again and again (LOAD=10 for longer)
	@WEFT_TEST_LOAD=$(or $(LOAD),1) tests/run -C $(BUILD) stress

asan:                 ## the tests under AddressSanitizer and UBSan
	@$(MAKE) -s build BUILD=build-asan SETUP='-Db_lundef=false -Db_sanitize=address,undefined'
	@tools/sanitized tests/run -C build-asan

tsan:                 ## the tests under ThreadSanitizer
	@$(MAKE) -s build BUILD=build-tsan SETUP='-Db_lundef=false -Db_sanitize=thread'
	@tools/sanitized tests/run -C build-tsan

nightly:              ## everything, the long way (an hour or more)
	@NIGHTLY=1 .ci/run

fmt:                  ## format what is committed or about to be
	@tools/fmt

lint: build           ## layers, headers, contracts, symbols, system calls, spelling
	@tools/lint $(BUILD)

example: build        ## build and run one example: make example C3 (ARGS='...' if it takes any)
	@tools/run-examples $(BUILD) --show $(NAME) -- $(ARGS)

install: build        ## install under PREFIX, or DESTDIR
	@meson configure $(BUILD) $(if $(PREFIX),-Dprefix=$(PREFIX))
	@meson install -C $(BUILD)

deps:                 ## install every package that is missing (Debian, Ubuntu)
	@tools/deps.sh build test more bench

clean:                ## forget what was built
	@rm -rf build build-*

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet > $(BUILD)/ninja.log || { cat $(BUILD)/ninja.log; exit 1; }

# Whoever only looks needs no browser and no second compiler.
run example install: DEPS = build
$(BUILD)/build.ninja:
	@tools/deps.sh $(or $(DEPS),build test)
	@meson setup $(BUILD) $(SETUP) > $(BUILD).log || { tail -n 8 $(BUILD).log; rm -f $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

# "make example C3": the name is a goal too, with nothing to do.
ifneq ($(filter example,$(MAKECMDGOALS)),)
$(filter-out example,$(MAKECMDGOALS)):
	@:
endif
