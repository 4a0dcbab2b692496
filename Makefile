# The verbs of this repository. `make help` lists them.
# Each works as the only command typed on a machine with Rust; what else it needs it installs, and says so.

CARGO ?= cargo
# What apt-get must be called with: nothing for root, sudo for others.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench rust c-compiler lint-components cxx-toolchain

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: rust c-compiler ## Build the program and transcribe the bundled recording with the bundled model
	$(CARGO) run --release --locked --package hansard -- demo

test: rust c-compiler ## Run every test of the workspace
	$(CARGO) test --workspace --locked

check: rust c-compiler lint-components ## Formatting, clippy and documentation, with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

bench: rust cxx-toolchain ## Compare speed and memory with whisper.cpp, built for this machine
	cd bench && $(CARGO) run --release --locked -- $(BENCH_ARGS)

rust:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo 'Rust is missing. Install it from https://rustup.rs, then type this again.' >&2; exit 1; }

# Rust links with it, and parts of some dependencies are written in C.
c-compiler:
	@command -v cc >/dev/null 2>&1 || $(call install,gcc libc6-dev)

# A minimal rustup profile leaves these out; other ways to install Rust have packages of their own for them.
lint-components:
	@if command -v rustup >/dev/null 2>&1; then \
	  $(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 \
	    || rustup component add clippy rustfmt; \
	fi

# For the peer that the bench compares with. Neither the program nor its tests need any of this.
cxx-toolchain: c-compiler
	@command -v c++ >/dev/null 2>&1 && command -v cmake >/dev/null 2>&1 \
	  || $(call install,g++ cmake)

define install
{ command -v apt-get >/dev/null 2>&1 || { echo 'please install: $(1)' >&2; exit 1; }; \
  echo 'installing: $(1)' >&2; \
  $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -y -qq --no-install-recommends $(1); }
endef
