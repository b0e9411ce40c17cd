# kiln's tasks. Each installs what it needs; see README.md.
CARGO ?= cargo
KILN := target/release/kiln
# Tests write many small files, some of them programs: in memory where that is possible.
TEST_TMP := $(shell cp /bin/true /dev/shm/.kiln-try 2>/dev/null && /dev/shm/.kiln-try && echo /dev/shm || echo /tmp; rm -f /dev/shm/.kiln-try)
DEMO := target/demo
# The guests' folder builds for WebAssembly; its tests run natively, beside the real tools.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: help guests guests-release demo test test-restricted conformance fuzz check bench bench-emulated setup toolchain release clean truth bench-wasi

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

# The WASI programs that the binary carries, compiled ahead of time: target/guests/packed.
guests: toolchain ## compile the guest shims
	$(CARGO) run --quiet --package kiln-guest-pack

guests-release: toolchain
	$(CARGO) run --quiet --release --package kiln-guest-pack

demo: guests-release ## build examples/hello into an OCI layout and show what is in it
	$(CARGO) build --release --package kiln
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(KILN) build examples/hello --tag hello:demo --work-dir $(DEMO)/work \
		--output type=oci,dest=$(DEMO)/image > $(DEMO)/digest
	@echo "image: $$(cat $(DEMO)/digest)"
	@python3 examples/show_layout.py $(DEMO)/image

test: guests setup ## run every test
	TMPDIR=$(TEST_TMP) $(CARGO) test --workspace --no-fail-fast
	cd guest-shims && TMPDIR=$(TEST_TMP) $(CARGO) test --workspace --no-fail-fast --target $(HOST)

HARNESS ?= ../shared/harness
test-restricted: setup ## run the emulated runner's tests in restricted pods: make test-restricted HARNESS=DIR
	CARGO=$(CARGO) TMPDIR=$(TEST_TMP) bash tests/restricted.sh $(HARNESS)

CASES ?= ../shared/cases/buildkit/integration
conformance: guests-release ## build recorded cases of BuildKit's and compare: make conformance CASES=DIR
	$(CARGO) build --release --package kiln
	TMPDIR=$(TEST_TMP) python3 tests/conformance/run.py $(KILN) $(CASES)

SECONDS ?= 600
SEEDS ?=
fuzz: toolchain ## mutate Dockerfiles for a while: make fuzz SECONDS=600 [SEEDS=DIR]
	KILN_FUZZ_SECONDS=$(SECONDS) $(if $(SEEDS),KILN_FUZZ_SEEDS=$(abspath $(SEEDS))) \
		$(CARGO) test --package kiln-dockerfile --test fuzz -- --nocapture

check: toolchain ## formatter, lints, dependency rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	cd guest-shims && $(CARGO) fmt --all --check && $(CARGO) clippy --workspace --all-targets --target $(HOST) -- -D warnings
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check licenses bans sources
	cd guest-shims && $(CARGO) deny --target wasm32-wasip1 check licenses bans sources
	if $(CARGO) deny fetch db; \
	then $(CARGO) deny check advisories && cd guest-shims && $(CARGO) deny --target wasm32-wasip1 check advisories; \
	else echo "skipped: the advisory database cannot be fetched here"; fi

bench: guests-release setup ## measure kiln beside its peers
	$(CARGO) build --release --package kiln
	bash tests/bench.sh

bench-emulated: setup ## measure the emulated runner beside chroot and PRoot: docs/emulated-speed.md
	for program in proot npm pip3; do command -v $$program >/dev/null || apt-get install -y -qq --no-install-recommends proot npm python3-pip; done
	$(CARGO) build --release --package kiln-runner-emulated --example emulated-run
	TMPDIR=$(TEST_TMP) python3 tests/bench_emulated.py --write docs/emulated-speed.md

TRUTH := target/release/kiln-truth
BASES := $(CURDIR)/target/bases
STEPS ?=
SEED ?=
truth: guests-release setup ## compare layers of wasi and namespaces: tests/truth/cases, CORPUS=DIR [STEPS=700] [SEED=N]
	$(CARGO) build --release --package kiln-truth
	TMPDIR=$(TEST_TMP) bash tests/truth/report.sh $(TRUTH) $(BASES) $(CORPUS) $(STEPS) $(SEED)

bench-wasi: guests-release setup ## time a small step under wasi, namespaces and runc: docs/wasi-speed.md
	$(CARGO) build --release --package kiln-truth
	TMPDIR=$(TEST_TMP) bash tests/truth/speed.sh $(TRUTH) $(BASES)

release: guests-release ## a static binary for containers: target/x86_64-unknown-linux-musl/release/kiln
	command -v musl-gcc >/dev/null || (apt-get update -qq && apt-get install -y -qq musl-tools)
	$(CARGO) build --release --package kiln --target x86_64-unknown-linux-musl

setup: ## programs and base images for the tests
	bash tests/setup.sh

# Naming a target in rust-toolchain.toml does not add it to a toolchain that is already there.
toolchain:
	@rustup target list --installed 2>/dev/null | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
	@rustup target list --installed 2>/dev/null | grep -qx x86_64-unknown-linux-musl || rustup target add x86_64-unknown-linux-musl

clean:
	$(CARGO) clean
