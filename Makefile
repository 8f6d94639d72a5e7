# `make help` lists what there is. Only cargo and Debian's packages are used.

CARGO ?= cargo
PROFILE ?= release
TOOLS := target/tools
# How often `make campaign` kills the server, and how many times the full counts of tests/fleet/counts.rs it runs.
CAMPAIGN_CYCLES ?= 1000
FLEET_CAMPAIGN ?= 1
# How long `make bench-soak` sends.
SOAK_MINUTES ?= 10

# The tests check the metrics page with promtool where it can be had.
PROMTOOL := $(firstword $(shell command -v promtool 2>/dev/null) $(TOOLS)/promtool)
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
BENCHES := $(wildcard benches/*.rs)

.PHONY: help run test test-gateways lint fmt bench bench-plot bench-growth bench-soak bench-peers instructions campaign

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## build, start on 127.0.0.1:8080 with data in ./data
	$(CARGO) run --locked --profile $(PROFILE) -- serve --config config/dev.toml --demo-team

test: $(TOOLS)/promtool ## run all tests, the doc tests and every benchmark once
	@scripts/postgres
	@scripts/redis
	@scripts/gateways $(TOOLS)
ifneq ($(NEXTEST),)
	PROMTOOL='$(PROMTOOL)' $(CARGO) nextest run --locked --no-fail-fast --no-tests=fail
else
	PROMTOOL='$(PROMTOOL)' $(CARGO) test --locked --no-fail-fast --lib --bins --tests
endif
	$(CARGO) test --locked --doc
# The feature swaps the engine's locks, so these run apart. The dependencies are built once for both:
# features that differ only here live side by side in one target folder. 20 000 schedules, some 20 s.
	$(CARGO) test --locked --features shuttle --test interleavings
# The simulator must find each seeded mistake; some minutes.
	$(CARGO) test --locked --features faults --test simulator every_seeded
ifneq ($(BENCHES),)
	PURSER_BENCH_SMOKE=1 $(CARGO) test --locked --bench '*'
endif

# Apart from `make test` for the size of what LiteLLM installs (780 MB).
test-gateways: ## try every gateway for real, LiteLLM too; some minutes
	@scripts/gateways $(TOOLS)
	$(CARGO) test --locked --test gateways
	scripts/litellm $(TOOLS) $(CURDIR)/target/debug/purser
	scripts/litellm $(TOOLS) $(CURDIR)/target/debug/purser latency
# LiteLLM is there now, so its list of prices is imported as it is.
	PATH='$(CURDIR)/$(TOOLS)/litellm/bin':"$$PATH" $(CARGO) test --locked --test rates -- --nocapture installed_litellm

lint: ## check the format, the lints and, with cargo-deny, the dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --offline check licenses bans sources; \
	else echo 'cargo-deny is not installed: licences and sources of the dependencies are not checked'; fi

fmt: ## format the code
	$(CARGO) fmt

instructions: ## count a debit's instructions; fails where they grew by more than 5 %
	scripts/instructions

bench: bench-plot ## measure, some minutes; results in target/criterion, docs/bench
	$(CARGO) bench --locked

bench-plot: ## debits over HTTP from 1 to 64 connections, drawn in docs/bench; 10 minutes at most, once it is built
	scripts/bench/curve.py --profile $(PROFILE)

bench-growth: ## debits and memory from 1 000 to 10 000 000 members, drawn in docs/bench; 3 minutes, once it is built
	scripts/bench/growth.py

bench-soak: ## half of the highest rate for SOAK_MINUTES: does memory grow, do answers take longer; 10 GB of temporary files
	scripts/bench/soak.py --profile $(PROFILE) --minutes $(SOAK_MINUTES)

# Builds the Limitador library, which is no part of Purser, in target/peers.
bench-peers: ## purser beside what one would take instead, 10 minutes once it is built
	@scripts/postgres
	@scripts/redis
	scripts/bench/peers.py --profile $(PROFILE)

campaign: ## kill the real server CAMPAIGN_CYCLES times, sidecars and their stores too, 10 000 calls through Envoy, 200 000 seeds; hours
	CAMPAIGN_CYCLES=$(CAMPAIGN_CYCLES) $(CARGO) test --locked --release --test kill -- --nocapture
# The rows are for docs/campaigns.md; what the sidecars logged is in target/fleet.log.
	FLEET_CAMPAIGN=$(FLEET_CAMPAIGN) $(CARGO) test --locked --release --test fleet -- --nocapture --test-threads 1 2>target/fleet.log
	@scripts/gateways $(TOOLS)
	GATEWAYS_CAMPAIGN=1 $(CARGO) test --locked --release --test gateways -- --nocapture --test-threads 1 every_call many_calls_through_envoy a_call_takes
	SIM_SEEDS=200000 $(CARGO) test --locked --release --test simulator -- --nocapture

# Writes nothing, and says why, where promtool cannot be had: only its test is then left out.
$(TOOLS)/promtool:
	@scripts/promtool $(TOOLS)
