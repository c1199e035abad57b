# The only entry point; CI calls the same targets. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup build release-fixture record-fixtures check format test test-unit test-e2e
.PHONY: demo walk bench calibrate fuzz mutants sim sim-nightly lab clean

PNPM := scripts/pnpm
# Arguments for demo and bench, for instance: make demo ARGS=--legacy
ARGS ?=
# What `make lab` compares on: seeds of synthetic workloads, and a folder of traces.
SEEDS ?= 101..200
VARIANT_SEEDS ?= 101..120
TRACES ?= ../shared/traces/nab
# Seconds that fuzz takes altogether. A run is replayed by its seed: make fuzz FOR=60 SEED=17
FOR ?= 300
# Worlds that sim plays: how many, or FROM..TO.
WORLDS ?= 1000

help: ## show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: node_modules/.ready ## install what is missing: system packages (as root) and node modules
	@scripts/setup

# Installed again exactly when the lock file or a package.json changed.
node_modules/.ready: pnpm-lock.yaml package.json $(wildcard packages/*/package.json apps/*/package.json test-e2e/package.json)
	@$(PNPM) install --frozen-lockfile --prefer-offline
	@touch $@

build: node_modules/.ready ## bundle dist/selfscale-{agent,monitor,lab}.cjs
	@node scripts/build.mjs

release-fixture: node_modules/.ready ## keep this release's bundles for later tests (ARGS=--replace: anew, before it is out)
	@node scripts/release-fixture.mjs $(ARGS)

check: node_modules/.ready ## types, lint, format
	@$(PNPM) exec tsc -p .
	@$(PNPM) exec tsc -p apps/lab/page
	@$(PNPM) exec eslint .
	@$(PNPM) exec prettier --check --log-level warn .

format: node_modules/.ready ## rewrite files in the house format
	@$(PNPM) exec prettier --write --log-level warn .

test: test-unit test-e2e ## every test, real guests included

test-unit: setup build
	@mkdir -p .cache/results
	@$(PNPM) exec vitest run --project unit --reporter=default --reporter=json --outputFile.json=.cache/results/unit.json

test-e2e: setup build
	@mkdir -p .cache/results
	@$(PNPM) exec vitest run --project e2e --reporter=verbose --reporter=json --outputFile.json=.cache/results/e2e.json

fuzz: node_modules/.ready ## look for trouble: hostile frames, sessions and sockets for FOR=300 seconds, SEED=now
	@export SEED=$${SEED:-$$(date +%s)} FUZZ_SECONDS=$$(( $(FOR) / 5 )); echo "SEED=$$SEED, $(FOR) s in five parts"; \
	$(PNPM) exec vitest run --project unit --no-file-parallelism packages/protocol/src/properties.test.ts .fuzz.test.ts

sim: node_modules/.ready ## play WORLDS=1000 simulated hostile worlds, or WORLDS=17..17; a failure is shrunk and told
	@node --import tsx apps/lab/src/main.ts world --seeds $(WORLDS)

sim-nightly: node_modules/.ready ## play 100 000 worlds
	@node --import tsx apps/lab/src/main.ts world --seeds 100000
mutants: node_modules/.ready ## break the core in SAMPLE=200 small ways (SEED=1): the tests must notice nine in ten
	@node --import tsx scripts/mutants/main.ts --sample $(or $(SAMPLE),200) --seed $(or $(SEED),1) $(ARGS)

demo: setup build ## watch a real VM size itself (ARGS=--legacy: under the metrics-based algorithm)
	@node --import tsx test-e2e/demo/main.ts $(ARGS)

walk: setup build ## do in a real guest what docs/postgres.md says, and write what is seen into it
	@node --import tsx test-e2e/walk/main.ts

bench: setup build ## measure, and print the figures with the machine they came from
	@node --import tsx test-e2e/bench/main.ts $(ARGS)

calibrate: setup build ## measure the machine model of the laboratory on a real guest, and keep it (ARGS=--quick: only look)
	@node --import tsx test-e2e/calibrate/main.ts $(ARGS)

lab: build ## the table of docs/policy.md from scratch, into .cache/lab (SEEDS=101..120: a part; TRACES=FOLDER)
	@SEEDS="$(SEEDS)" VARIANT_SEEDS="$(VARIANT_SEEDS)" TRACES="$(TRACES)" node scripts/lab.mjs $(ARGS)

record-fixtures: setup build ## record conversations of this release, to be replayed by later ones (ARGS=--replace: anew)
	@node --import tsx test-e2e/compat/record/main.ts $(ARGS)

clean: ## remove what was built, the guest image and its saved states included
	@rm -rf dist .cache coverage node_modules/.ready
