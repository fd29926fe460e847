# Greenroom's commands. Each says what it installs; Rust itself comes from rust-toolchain.toml by rustup.

.DEFAULT_GOAL := help
.PHONY: help demo test soak frameworks bench instructions check audit fuzz capture mariadb mysql drivers etcd helm promtool chromium

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: mariadb ## a private server, Greenroom in front of it, 200 clients on a few server connections
	cargo build --release
	target/release/greenroom demo $(DEMO_ARGS)

# The cases are the same every time; soak and fuzz look for new ones. Tests of cut networks and full disks take root; without it
# they are skipped by name, unless GREENROOM_REQUIRE_NAMESPACES=1.
test: mariadb mysql drivers etcd helm promtool chromium ## every test, on real MariaDB and real MySQL, with real drivers
	PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1} cargo test --workspace

soak: mariadb mysql ## random faults under load in every pool mode, and new twins, for SOAK_SECONDS (1800)
	scripts/soak

frameworks: mariadb mysql ## SQLAlchemy's and Django's own tests, directly and through a transaction pool, compared
	scripts/install-frameworks
	cargo test --workspace --test frameworks -- --ignored --nocapture --test-threads=1

bench: ## Greenroom beside haproxy and no proxy at all (BENCH_PARTS; scripts/bench has the rest)
	scripts/bench

instructions: ## what each part of a query's way costs, beside what it did (UPDATE=1 records it)
	@UPDATE=$(UPDATE) scripts/instructions

check: ## format, lints and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet

# What is known to be wrong with crates lies in a database elsewhere. Where it cannot be fetched the rest is still checked, unless
# GREENROOM_REQUIRE_ADVISORIES=1.
audit: ## every dependency, fuzz/'s too: licences, sources, bans, known vulnerabilities (deny.toml)
	@scripts/audit

fuzz: ## every machine of protocol/ against a fuzzer (FUZZ_SECONDS each, FUZZ_TARGETS)
	scripts/fuzz

capture: mariadb mysql drivers ## what make fuzz begins with, recorded anew from real clients, proxies and servers
	scripts/capture

mariadb:
	@scripts/install-mariadb

# Without MySQL the tests still run, and name what they skip, unless GREENROOM_REQUIRE_MYSQL=1.
mysql:
	@scripts/fetch-mysql || { [ "$$GREENROOM_REQUIRE_MYSQL" != 1 ] && echo && \
		echo '*** There is no MySQL here: every test on MySQL is SKIPPED; those on MariaDB run. ***' && echo; }

# Likewise without etcd or helm.
etcd:
	@scripts/install-etcd || [ "$$GREENROOM_REQUIRE_MYSQL" != 1 ]

helm:
	@scripts/install-helm || [ "$$GREENROOM_REQUIRE_MYSQL" != 1 ]

# Likewise without a browser, unless GREENROOM_REQUIRE_BROWSER=1.
chromium:
	@scripts/install-chromium || { [ "$$GREENROOM_REQUIRE_BROWSER" != 1 ] && echo && \
		echo '*** There is no Chromium here: the status page is not looked at in a browser. ***' && echo; }

# Likewise without promtool, which checks alerts, dashboard and metrics, unless GREENROOM_REQUIRE_PROMTOOL=1.
promtool:
	@scripts/install-promtool || { [ "$$GREENROOM_REQUIRE_PROMTOOL" != 1 ] && \
		echo '*** There is no promtool here: what it checks is SKIPPED. ***'; }

# Likewise without a driver, unless GREENROOM_REQUIRE_DRIVERS=1. The script names what is not to be had.
drivers:
	@scripts/install-drivers || [ "$$GREENROOM_REQUIRE_DRIVERS" != 1 ]
