# `make demo` and `make test` do all of their own set-up.
#
#   make demo            15,005 lines through four stages, six deaths on the way, compared with the run in memory
#   make demo FULL=1     all 336,781 of them
#   make demo SEED=7     the deaths of an earlier demonstration again
#   make test            every test
#   make docs            the documentation, without a warning
#   make api             the public API, held against that of .ci/api-baseline
#   make lint            the formatter's rules

# The suites that hold every store to the model keep all cores busy for minutes. They run by themselves: the tests that
# wait for a process or a thread have a limit of a minute, and would wait for a core instead.
STORES = ConformanceTests|StoreConformanceTests|StoreModelTests
# So do those that start many processes.
PROCESSES = CrashTests|ExampleTests|LeatCommandsTests|CommandProcessTests

# And those in which calls into the system fail, which is the whole process's.
FAULTS = FaultTests

FULL ?=
SEED ?=

.PHONY: demo test docs api lint clean

demo:
	@.ci/set-up
	swift build -c release --product flights
	swift build -c release --product flights-check
	@FULL='$(FULL)' SEED='$(SEED)' Examples/Flights/demo.sh "$$(swift build -c release --show-bin-path)"

test:
	@.ci/set-up python3
	swift build --build-tests
	swift test --skip-build --skip '$(STORES)|$(PROCESSES)|$(FAULTS)'
	swift test --skip-build --filter '$(PROCESSES)'
	swift test --skip-build --filter '$(STORES)'
	swift test --skip-build --filter '$(FAULTS)'

docs:
	@.ci/docs

api:
	@.ci/api

lint:
	swift format lint --strict --recursive Sources Tests Examples Package.swift

clean:
	rm -rf .build .demo
