# The two commands that matter: `make demo` and `make test`. `make help` lists the others.

SWIFT ?= swift
# What `make serve`, `make install` and the tests are built with, in a folder of their own: a change of traits builds everything again.
TRAITS ?= Tools,Server
FULL = --scratch-path .build/full --traits $(TRAITS)
PREFIX ?= /usr/local
# Where `make install` writes, below which PREFIX is created: for packagers.
DESTDIR ?=
# Rounds of `make crash`.
ROUNDS ?= 200
# How many cases `make damage` tries; 0: all.
CASES ?= 0
# A hung test must not hang the machine that runs it: seconds until the whole test run is killed.
TEST_LIMIT ?= 1100
# How long each half of `make soak` runs, seeds and crash points (600), or each target of `make fuzz` (60).
SECONDS ?=
# The seed that `make soak` begins with.
SEED ?= $(shell date +%s)
# Which targets `make test` or `make fuzz` runs: all where none is named.
TARGETS ?=
# More arguments for `shardline demo` or `shardline serve`, such as ARGS="--no-kill" or ARGS="--data ./data --port 4567".
ARGS ?=
# Which pieces `make bench-pieces` measures: a regular expression that fits the whole name.
PIECES ?= .*
# What Shardline links (liblz4, SQLite, zlib) and what its tests run (Python), as Debian names it.
PACKAGES = liblz4-dev libsqlite3-dev zlib1g-dev python3
# What only the tests run.
TEST_PACKAGES = curl openssl python3-venv
LINTED = $(wildcard Sources Tests examples Benchmarks Package.swift)

.PHONY: help deps demo serve build test lint format docs crash damage fuzz mutants soak planted-bugs bench-pieces bench-parked-keys allocations scale rule-table install uninstall clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo         the main job on real data: installs what is missing, builds, runs'
	@echo 'make serve        serves a store to AWS clients as Amazon Kinesis: make serve ARGS="--data ./data"'
	@echo 'make test         builds and runs all tests'
	@echo 'make build        builds the command shardline, optimized'
	@echo 'make lint         checks the style'
	@echo 'make format       applies the style'
	@echo 'make docs         builds the documentation of the library into .build/docs; a warning is an error'
	@echo 'make crash        kills a working process at random moments, ROUNDS=$(ROUNDS) times; also with loss of power'
	@echo 'make fuzz         gives hostile bytes to what reads files and sockets, SECONDS=60 for each target'
	@echo 'make damage       flips every byte of a small store, cuts every file everywhere (twenty minutes)'
	@echo 'make mutants      breaks decision core and filters on purpose; every break must fail a test'
	@echo 'make soak         simulates crashes and faults, SECONDS=600, beginning with SEED=...; then crash points, as long again;'
	@echo '                  then every place of two bad records in a batch'
	@echo 'make planted-bugs breaks the store and the mappings on purpose; the simulation must find every bug'
	@echo 'make bench-pieces measures the single steps of a put and of a read; some: PIECES="read .*"'
	@echo 'make bench-parked-keys  what parked keys cost: a million records wait, others go on, all are handed back'
	@echo 'make scale        how cost grows: measures for twenty minutes, then draws the plots of the page about it'
	@echo 'make allocations  counts allocations a record; fails above a limit'
	@echo 'make rule-table   writes the table of the rules, of the files that keep them and of their tests'
	@echo 'make install      puts shardline under PREFIX=$(PREFIX); make uninstall removes it'
	@echo 'make clean        removes what was built'
	@echo 'make deps         installs the Debian packages: $(PACKAGES); make test also $(TEST_PACKAGES)'

# Quiet when nothing is missing. The list of packages is only refreshed when an installation fails without it.
deps:
	@command -v $(SWIFT) >/dev/null || { echo 'Swift 6.2 or newer is needed: https://www.swift.org/install'; exit 1; }
	@command -v dpkg-query >/dev/null || \
	{ echo 'not a Debian system: please see to it that liblz4, SQLite, zlib (with headers) and Python 3 are there'; exit 0; }; \
	missing=''; \
	for package in $(PACKAGES) $(if $(filter test crash soak,$(MAKECMDGOALS)),$(TEST_PACKAGES)); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	by=''; [ "$$(id -u)" = 0 ] || by=sudo; \
	if [ -n "$$by" ] && ! command -v sudo >/dev/null; then \
	    echo "missing:$$missing. As root, run: apt-get install -y$$missing"; exit 1; \
	fi; \
	echo "installing$$missing"; \
	$$by env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $$missing >/dev/null 2>&1 || \
	{ $$by apt-get update -q && $$by env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $$missing; } || \
	{ echo "the installation failed. As root, run: apt-get install -y$$missing"; exit 1; }

build: deps
	$(SWIFT) build -c release --product shardline

demo: build
	.build/release/shardline demo $(ARGS)

# With the server, which takes minutes to build the first time.
serve: deps
	$(SWIFT) build -c release $(FULL) --product shardline
	.build/full/release/shardline serve $(ARGS)

# Each target in a process of its own: which run at once, Tests/run.sh says. Some: make test TARGETS="EventSourceTests".
test: deps
	$(SWIFT) build $(FULL) --build-tests
	timeout --kill-after=10 $(TEST_LIMIT) Tests/run.sh $(TARGETS)

lint:
	$(SWIFT) format lint --strict --recursive $(LINTED)

format:
	$(SWIFT) format format --in-place --recursive $(LINTED)

docs: deps
	SWIFT=$(SWIFT) Documentation/build.sh

crash: deps
	$(SWIFT) build $(FULL) --build-tests
	SHARDLINE_CRASH_ROUNDS=$(ROUNDS) $(SWIFT) test $(FULL) --skip-build --disable-xctest --filter CrashTests

# libFuzzer comes with Swift's toolchain; more in Tests/Support/Fuzz/run.sh.
fuzz: deps
	SWIFT=$(SWIFT) Tests/Support/Fuzz/run.sh $(or $(SECONDS),60) $(TARGETS)

# Optimized, in a build folder of its own: a third of the time for 400,000 cases.
OPTIMIZED_TESTS = --scratch-path .build/damage -c release -Xswiftc -enable-testing
damage: deps
	$(SWIFT) build $(OPTIMIZED_TESTS) --build-tests
	SHARDLINE_DAMAGE_SAMPLE=$(CASES) $(SWIFT) test $(OPTIMIZED_TESTS) --skip-build --disable-xctest --filter DamageSweepTests

rule-table: deps
	SHARDLINE_RULE_TABLE=write $(SWIFT) test $(FULL) --disable-xctest --filter RuleTableTests

mutants: deps
	Tests/TestsOfTests/Mutants/run.sh

# Optimized, which makes it several times faster than in `make test`.
soak: deps
	$(SWIFT) build -c release --product simulate
	.build/release/simulate --seconds $(or $(SECONDS),600) --seed $(SEED)
	.build/release/simulate --crash-points --seconds $(or $(SECONDS),600)
	$(SWIFT) build $(OPTIMIZED_TESTS) --build-tests
	$(SWIFT) build $(FULL) --build-tests
	SHARDLINE_SERVER_CONNECTIONS=10000 $(SWIFT) test $(FULL) --skip-build --disable-xctest --filter HostileTests
	SHARDLINE_RESTARTS=10 SHARDLINE_MEBIBYTES=10240 Tests/RealClients/run.sh test_restart.py test_memory.py --timeout 3600
	SHARDLINE_BAD_RECORDS=all $(SWIFT) test $(OPTIMIZED_TESTS) --skip-build --disable-xctest --filter BadRecordPlacesTests

planted-bugs: deps
	SWIFT=$(SWIFT) Tests/TestsOfTests/PlantedBugs/run.sh

# In a build folder of its own: the plugin builds with other flags, so a common one would be built anew each time.
bench-pieces: deps
	SHARDLINE_BENCHMARKS=1 $(SWIFT) package --scratch-path .build/pieces benchmark --target Pieces \
	    --no-progress --grouping metric --filter '$(PIECES)'

# More arguments: make bench-parked-keys ARGS="--rounds 1 --folder /tmp"; two gigabytes of disk for each round. With one arena
# memory is what is in use, not what threads have left behind in theirs.
bench-parked-keys: deps
	SHARDLINE_BENCHMARKS=1 $(SWIFT) build --scratch-path .build/bench -c release --product ParkedKeysBench
	MALLOC_ARENA_MAX=1 .build/bench/release/ParkedKeysBench $(ARGS)

allocations: deps
	SWIFT=$(SWIFT) Benchmarks/Allocations/check.sh

# With strace, and 30 GB free in /var/tmp; more in Benchmarks/scale/measure.py.
scale: build
	Benchmarks/scale/measure.py --shardline .build/release/shardline
	Benchmarks/scale/plot.py

install: deps
	$(SWIFT) build -c release $(FULL) --product shardline
	install -D -m 755 .build/full/release/shardline $(DESTDIR)$(PREFIX)/bin/shardline
	install -D -m 644 examples/flights-2013-01.csv.gz $(DESTDIR)$(PREFIX)/share/shardline/flights-2013-01.csv.gz
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	.build/full/release/shardline --generate-completion-script bash \
	    > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shardline
	.build/full/release/shardline --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_shardline
	.build/full/release/shardline --generate-completion-script fish \
	    > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/shardline.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/shardline $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shardline \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_shardline \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/shardline.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/shardline

clean:
	$(SWIFT) package clean
