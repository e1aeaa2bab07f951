# 'make' builds .build/release/icecore; 'make help' lists the rest.
PREFIX ?= /usr/local
DESTDIR ?=
SBINDIR ?= /sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
SWIFT ?= swift

release = .build/release/icecore
servers = Tests/Testbed/servers
swift-sources = Package.swift Sources Tests fuse schema Benchmarks

.DEFAULT_GOAL := build
.PHONY: help build deps demo-deps test-deps demo demo-clean test check soak fuzz lint bench install deb dist clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  %-16s %s\n' "$$target" "$$text"; done

build: deps ## the program, .build/release/icecore; it needs no Swift to run
	$(SWIFT) build -c release --static-swift-stdlib --product icecore

deps: ## installs the C libraries that are missing (apt, with sudo where not root)
	@Tests/deps.sh build

demo-deps: deps
	@Tests/deps.sh demo
	@$(servers)/install.sh --demo

test-deps: deps ## installs what the tests run against: Ceph, nginx, rclone, moto
	@Tests/deps.sh test
	@$(servers)/install.sh

demo: build demo-deps ## walk through last March of a sample bucket
	@Tests/demo/demo.sh

demo-clean: ## take away what a demo that was killed has left
	@Tests/demo/demo.sh clean

test: lint test-deps ## all tests; under 30 minutes on two cores
	$(SWIFT) build --build-tests
	@Tests/run.sh

check: lint test-deps ## what is quick of the tests: for the inner loop
	$(SWIFT) build --build-tests
	@Tests/run.sh --check

soak: test-deps ## the long random tests, with full counts: hours
	$(SWIFT) build --build-tests
	@ICECORE_SOAK=1 Tests/run.sh

fuzz: deps ## let libFuzzer look for what breaks the readers: FUZZ_SECONDS (600) for each
	@Tests/Fuzz/run.sh

lint: ## complain about sources that are not in form
	$(SWIFT) format lint --strict --recursive --parallel $(swift-sources)
	@Tests/lint.sh

bench: build ## run what is in Benchmarks/
	@for script in Benchmarks/*.sh; do \
		[ -e "$$script" ] || { echo "there are no benchmarks yet"; break; }; \
		echo "== $$script"; "$$script" || exit 1; done

install: ## copy the program to $(DESTDIR)$(PREFIX)/bin, and what mount(8) and systemd need
	@[ -x $(release) ] || $(MAKE) build
	install -D -m 755 $(release) "$(DESTDIR)$(PREFIX)/bin/icecore"
	-@strip "$(DESTDIR)$(PREFIX)/bin/icecore"
	@if [ -n "$(DESTDIR)" ] || [ -w "$(SBINDIR)" ]; then fuse/install.sh "$(PREFIX)" "$(DESTDIR)" "$(SBINDIR)" "$(UNITDIR)"; else \
		echo "$(SBINDIR) is not yours to write to: 'mount -t fuse.icecore' needs 'make install' as root"; fi

deb: deps ## a package for Debian, and a tar.gz of the same: .build/icecore_*.deb
	@Tests/deps.sh deb
	@docs/deb/build.sh

dist: deb ## a tar.gz of what the package installs: .build/icecore-*.tar.gz

clean: demo-clean ## remove everything that was built
	rm -rf .build
