# Settings pass through: make up FEATURES_INTERVAL=0.5
.DEFAULT_GOAL := help
.PHONY: help up down logs build check test test-all lint sources chaos run-features run-metric run-plot clean test-compose bench bench-full bench-plot

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do printf 'make %-13s %s\n' "$$target" "$$text"; done

up: ## build and start everything, Ctrl-C stops it; MODE=docker or MODE=native forces one
	@scripts/up

down: ## stop what make up started, from another terminal
	@scripts/down

logs: ## follow the log of what runs
	@scripts/logs

build: ## build the three services into target/release
	@scripts/ensure-packages gcc
	cargo build --release --locked

check: sources ## format, clippy, rustdoc, unit tests, while you write: two minutes, no broker
	@scripts/ensure-packages openssl
	cargo test --workspace --locked --lib --bins

test: ## the tests, against a RabbitMQ node of their own: five minutes
	@scripts/test

test-all: ## those, a cluster of three nodes, disks that fail under strace, larger counts, bugs that tests must catch, Prometheus, the bench's check: three quarters of an hour; PART=bugs or PART=others runs a part
	@scripts/test-all $(PART)

chaos: ## the tests that kill, cut and disturb, with large counts: hours; ends with a table
	@scripts/chaos $(ARGS)

sources:
	@scripts/ensure-packages gcc
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

lint: sources ## rustfmt, clippy, rustdoc, cargo-deny and shellcheck; a warning is an error
	@scripts/ensure-packages shellcheck
	CUSTOM_LIBFUZZER_PATH=/no-need-to-compile-it cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings
	@scripts/ensure-cargo-deny
	cargo deny --locked --offline check licenses bans sources
	shellcheck --external-sources --check-sourced .ci/run $$(find scripts -maxdepth 1 -type f ! -name '*.py')

run-features: ## one service in the foreground, against AMQP_URL; ARGS="--interval 1" gives flags
run-metric: ## the same for metric
run-plot: ## the same for plot
run-features run-metric run-plot:
	@scripts/ensure-packages gcc
	cargo run --profile quick --locked --package $(@:run-%=%) -- $(ARGS)

test-compose: ## build the images without cache and pull the plug on each container; needs Docker
	@scripts/test-compose

bench: ## measure features and metric against bare programs and Python peers, each 7 times: some minutes; BENCH_RUNS=11 for narrower intervals
	@scripts/bench quick

bench-full: ## the long ones: a full store, and half an hour at full speed
	@scripts/bench full

bench-plot: ## plot, DuckDB, polars and pandas in turn over 10 million rows; BENCH_ROWS=20000 BENCH_RUNS=1: a quick look
	@scripts/bench-plot

clean: ## remove what was built and the private broker with its queues; logs and containers stay
	@scripts/down processes
	cargo clean
	rm -rf .run
