# Each command does its whole set-up on a fresh machine. What CI does is listed in one place only:
# crates/xtask/src/ci.rs.
.PHONY: run test conformance bench setup tidy fmt

# Under CI, compiled dependencies outlive the checkout; without that folder everything is built anew.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/sprawl-target
export SPRAWL_CACHE_DIR ?= $(HOME)/.cache/sprawl-foreign
endif
export CARGO_TERM_PROGRESS_WHEN ?= auto

ARGS ?=

run: ## build the server and start it on 127.0.0.1:9092
	@sh setup/setup.sh run
	cargo run --locked --release --package sprawl --bin sprawl -- start $(ARGS)

test: ## everything that must pass before a change lands
	@sh setup/setup.sh test
	cargo xtask ci

conformance: ## foreign clients, unchanged, against the server
	@sh setup/setup.sh conformance
	cargo run --locked --package sprawl-conformance -- run $(ARGS)

bench: ## side by side with a real Apache Kafka; writes docs/benchmarks.md
	@sh setup/setup.sh bench
	cargo build --locked --release --package sprawl --package sprawl-bench
	cargo run --locked --release --package sprawl-bench -- run $(ARGS)
	cargo run --locked --release --package sprawl-bench -- report

setup: ## system packages only
	@sh setup/setup.sh test

tidy: ## the house rules
	cargo xtask tidy

fmt:
	cargo fmt --all
