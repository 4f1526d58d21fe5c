# `make demo` and `make test` do all of their own set-up.
#
#   make demo            15,005 lines through four stages, six deaths on the way, compared with the run in memory
#   make demo FULL=1     all 336,781 of them
#   make demo SEED=7     the deaths of an earlier demonstration again
#   make test            every test
#   make fuzz            four targets, FUZZ_SECONDS=600 each; what they find is kept in .build-fuzz/found
#   make torture         the fault tests at their whole size, with a table of what was tried and found
#   make bench           Leat beside C, Python's queue and the queues of PyPI, in one run: a table, and .build-bench/figures.json
#   make mutants         breaks what is promised, a rule at a time, and tells which tests notice
#   make sanitize        the engine's and the store's tests under the address sanitizer; on macOS under that of threads too
#   make docs            the documentation, without a warning
#   make api             the public API, held against that of .ci/api-baseline
#   make lint            the formatter's rules

# The suites that hold every store to the model keep all cores busy for minutes. They run by themselves: the tests that
# wait for a process or a thread have a limit of a minute, and would wait for a core instead.
STORES = ConformanceTests|StoreConformanceTests|StoreModelTests
# What must answer soon does not wait for them.
CORPUS = FuzzTests
# So do those that start many processes.
PROCESSES = CrashTests|ExampleTests|LeatCommandsTests|CommandProcessTests

# Those that end, stop and poison processes until all cores are busy: one fault's delay is not to be taken for another's.
STORMS = CrashTests\.(ProcessFaults|LongTransactionTests)
# And those in which calls into the system fail, which is the whole process's.
FAULTS = FaultTests

# Of the sanitizers: the engine and the store, which share memory, a test at a time, since each takes many times as long.
# The model's walks, the simulations and two hundred queues are too long for them.
SANITIZED = LeatTests|LeatSQLiteTests
UNSANITIZED = StoreModelTests|SimulationTests|ConformanceTests/(model|clocks)|QueuesInDatabaseTests/more

FULL ?=
SEED ?=

PARTS ?=
RUNS ?= 5
SCALE ?= 1

FUZZ_SECONDS ?= 600
# Each is a folder of Tests/Fuzz/Corpus.
FUZZ_TARGETS ?= protocol file arguments database
# A release build, so that the fuzzer tries thousands a second; traps are traps there too.
FUZZ_BUILD = --scratch-path .build-fuzz -c release --sanitize address -Xswiftc -sanitize=fuzzer \
	-Xcc -fsanitize=fuzzer-no-link --product leat-fuzz

.PHONY: demo test torture bench chart mutants fuzz sanitize docs api lint clean

demo:
	@.ci/set-up
	swift build -c release --product flights
	swift build -c release --product flights-check
	@FULL='$(FULL)' SEED='$(SEED)' Examples/Flights/demo.sh "$$(swift build -c release --show-bin-path)"

test:
	@.ci/set-up python3
	swift build --build-tests
	swift test --skip-build --skip '$(STORES)|$(CORPUS)|$(PROCESSES)|$(STORMS)|$(FAULTS)'
	swift test --skip-build --filter '$(PROCESSES)' --skip '$(STORMS)'
	swift test --skip-build --filter '$(STORMS)'
	swift test --skip-build --filter '$(STORES)'
	swift test --skip-build --filter '$(CORPUS)'
	swift test --skip-build --filter '$(FAULTS)'

torture:
	@.ci/set-up python3 strace
	@.ci/torture $(GROUPS)

# PARTS="path pipeline peers tasks depth pickup fairness restart memory coder rows bytes syncs"; RUNS=5, SCALE=1: less for a
# quick look.
bench:
	@.ci/set-up python3 strace
	@RUNS='$(RUNS)' SCALE='$(SCALE)' .ci/bench $(PARTS)

# The README's picture, of the last run's figures.
chart:
	@python3 -B Tests/Benchmarks/report.py .build-bench/figures.json Tests/Benchmarks/throughput.svg

mutants:
	@.ci/set-up python3
	@Tests/Mutants/mutants.py $(MUTANTS)

# What it finds new goes to .build-fuzz/found; an input that traps is kept there too, and is copied into Tests/Fuzz/Corpus
# when it is mended. One that a fuzzer has let go is a leak only where the sanitizer says so: Swift's runtime keeps its
# metadata for ever, so leaks are not looked for.
fuzz:
	@.ci/set-up
	LEAT_FUZZ=1 swift build $(FUZZ_BUILD)
	@set -e; for target in $(FUZZ_TARGETS); do \
	    mkdir -p .build-fuzz/found/$$target; \
	    ASAN_OPTIONS=detect_leaks=0 "$$(LEAT_FUZZ=1 swift build $(FUZZ_BUILD) --show-bin-path)/leat-fuzz" $$target \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -detect_leaks=0 -max_len=8192 \
	        -artifact_prefix=.build-fuzz/found/ -print_final_stats=1 \
	        .build-fuzz/found/$$target Tests/Fuzz/Corpus/$$target; \
	done

# On Linux the thread sanitizer does not see that Swift's `Mutex` was waited for (the library is not built for it), and
# reports each that is: a counter behind one, from four threads, with Swift 6.3.1.
sanitize:
	@.ci/set-up python3
	swift build --build-tests --scratch-path .build-asan --sanitize address
	ASAN_OPTIONS=detect_leaks=0 swift test --no-parallel --skip-build --scratch-path .build-asan --sanitize address \
	    --filter '$(SANITIZED)' --skip '$(UNSANITIZED)'
ifeq ($(shell uname -s),Darwin)
	swift build --build-tests --scratch-path .build-tsan --sanitize thread
	swift test --no-parallel --skip-build --scratch-path .build-tsan --sanitize thread \
	    --filter '$(SANITIZED)' --skip '$(UNSANITIZED)'
endif

docs:
	@.ci/docs

api:
	@.ci/api

lint:
	swift format lint --strict --recursive Sources Tests Examples Package.swift

clean:
	rm -rf .build .build-bench .build-mutants .build-fuzz .build-asan .build-tsan .demo
