# make help lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
TOOLS = qconvert qinspect qmerge qrun qtrain qverify
SWIFT ?= swift
PYTHON ?= python3
# What `--version` and `qinspect doctor` tell; a tree with changes says so.
QNF_COMMIT ?= $(shell git describe --always --dirty --abbrev=10 --match=- 2>/dev/null)
BUILD = QNF_COMMIT="$(QNF_COMMIT)" $(SWIFT) build -c release --static-swift-stdlib
BIN = .build/release
OUT = out
# Scratch for the benchmarks: about 20 GB; a llama-bench to measure besides, with options.
BENCH ?= /tmp/qnf-bench
LLAMA_BENCH ?=
# Of `make fuzz`: readers (all), seconds for each, or executions instead.
FUZZ_READERS ?=
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?=
FUZZ = .build/fuzz
# Of `make test-arm64`: the clang beside swift, and whether it is no failure that arm64 cannot be built for or emulated here.
CLANG ?= $(firstword $(wildcard $(dir $(realpath $(shell command -v $(SWIFT))))clang) clang)
ARM64_OPTIONAL ?=
# Of `make quality`: another model than the sample, and texts for it.
QUALITY ?=
# Of `make interop`: random Unicode characters for each family of tokenizers; ten million take some minutes a family.
CHARACTERS ?= 10000000

# Debian packages, and a file of each that tells whether it is there.
APT_ZLIB = /usr/include/zlib.h
APT_OPENBLAS = $(firstword $(wildcard /usr/include/*/cblas-openblas.h /usr/include/openblas/cblas.h))

.PHONY: help build test test-arm64 lint fuzz sanitize interop quality bench demo install dist deb release-check cluster-test clean dependencies

help:
	@echo "make build      release binaries in $(BIN)"
	@echo "make test       build and run the whole test suite"
	@echo "make test-arm64 the kernels for arm64, emulated, against plain C on this processor"
	@echo "make lint       import layering, warnings as errors, formatting, parsing for macOS"
	@echo "make interop    our files in the real Python libraries, reports in a browser (PYTHON=...)"
	@echo "make quality    bits, divergence and perplexity of quantized and merged models (QUALITY=\"--model FOLDER --text FILE\")"
	@echo "make fuzz       hostile input for every reader, FUZZ_SECONDS ($(FUZZ_SECONDS)) each or FUZZ_RUNS executions"
	@echo "make sanitize   the test suite under the address, undefined behaviour and thread sanitizers"
	@echo "make demo       the main job on the samples, results in $(OUT)/"
	@echo "make bench      timed figures, other engines beside them (LLAMA_BENCH=\"PROGRAM OPTION...\")"
	@echo "make install    binaries, completions and man pages under PREFIX ($(PREFIX))"
	@echo "make dist       a tarball of binaries, man pages and completions in $(OUT)/"
	@echo "make deb        a Debian package in $(OUT)/"
	@echo "make release-check  both made again to the same bytes, installed, run and removed"
	@echo "make cluster-test   samples/cluster under a Slurm of one node, and GNU parallel"
	@echo "make clean      remove everything that was built"

# Installs what is missing, and only then needs to be root.
dependencies:
	@command -v $(SWIFT) >/dev/null || { echo "a Swift 6.3 toolchain is needed: https://www.swift.org/install" >&2; exit 1; }
	@missing=""; \
	test -e "$(APT_ZLIB)" || missing="$$missing zlib1g-dev"; \
	test -n "$(APT_OPENBLAS)" || missing="$$missing libopenblas-dev"; \
	if [ -n "$$missing" ]; then \
		as_root=""; [ "$$(id -u)" -eq 0 ] || as_root=sudo; \
		echo "installing$$missing"; \
		$$as_root apt-get update -q && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy $$missing; \
	fi

build: dependencies
	$(BUILD)

test: dependencies
	$(SWIFT) test

# Installs cross libraries and an emulator where it can. What is left out is a failure, but for ARM64_OPTIONAL=1.
test-arm64: dependencies
	@missing=""; \
	command -v qemu-aarch64 >/dev/null || missing="$$missing qemu-user"; \
	test -e /usr/aarch64-linux-gnu/lib/libc.a || missing="$$missing libc6-dev-arm64-cross"; \
	command -v aarch64-linux-gnu-gcc >/dev/null || missing="$$missing gcc-aarch64-linux-gnu"; \
	if [ -n "$$missing" ]; then \
		as_root=""; [ "$$(id -u)" -eq 0 ] || as_root=sudo; \
		echo "installing$$missing"; \
		$$as_root apt-get update -q >/dev/null && $$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -qy --no-install-recommends $$missing >/dev/null || echo "could not install$$missing"; \
	fi
	@status=0; sh Tests/Conformance/run.sh "$(CLANG)" .build/conformance || status=$$?; \
	if [ $$status -eq 77 ] && [ -n "$(ARM64_OPTIONAL)" ]; then status=0; fi; exit $$status

lint: dependencies
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Package.swift
	sh Sources/Development/platform/check.sh swiftc
	$(SWIFT) build --build-tests --explicit-target-dependency-import-check error

# Everything stays under $(FUZZ): build, seeds, corpus (taken up again by the next run), logs, findings.
fuzz: dependencies
	QNF_FUZZ=1 $(SWIFT) build -c release --product fuzz --scratch-path $(FUZZ)/build
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_RUNS=$(FUZZ_RUNS) sh Sources/Development/fuzz/run.sh $(FUZZ)/build/release/fuzz $(FUZZ) $(FUZZ_READERS)

# swiftc has no undefined behaviour sanitizer on Linux; what it would find in Swift traps anyway. The C code has it.
sanitize: dependencies
	@echo "address sanitizer, and undefined behaviour sanitizer for C"
	UBSAN_OPTIONS=print_stacktrace=1 $(SWIFT) test --disable-xctest --sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined \
		-Xcc -Wno-pass-failed -Xswiftc -use-ld=lld --scratch-path .build/sanitize-address
	@echo "thread sanitizer, but for what is inside a Mutex (Tests/thread-sanitizer.supp says why)"
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/thread-sanitizer.supp $(SWIFT) test --disable-xctest --sanitize=thread \
		-Xcc -Wno-pass-failed -Xswiftc -use-ld=lld --scratch-path .build/sanitize-thread

bench: build
	$(BIN)/kernelbench
	@echo
	@if $(PYTHON) -c "import llama_cpp" 2>/dev/null; then peer="--python $(PYTHON)"; \
	else echo "llama.cpp: left out, as $(PYTHON) has no llama-cpp-python"; fi; \
	set -x; $(BIN)/toolbench $(BIN) $(BENCH) --json $(BENCH)/bench.json $$peer $(if $(LLAMA_BENCH),--llama-bench "$(LLAMA_BENCH)")

demo: build
	sh samples/demo.sh $(BIN) $(OUT)

interop: build
	$(PYTHON) Tests/Interop/interop.py --bin $(BIN)
	$(PYTHON) Tests/Interop/check_report.py --bin $(BIN)
	$(PYTHON) Tests/Interop/evaluation.py --bin $(BIN)
	$(PYTHON) Tests/Interop/gguf_files.py --bin $(BIN)
	$(PYTHON) Tests/Interop/llama_cpp_models.py --bin $(BIN)
	$(PYTHON) Tests/Interop/llama_cpp_families.py --bin $(BIN)
	$(PYTHON) Tests/Interop/engine_loaders.py --bin $(BIN)
	$(PYTHON) Tests/Interop/killed_parts.py --bin $(BIN)
	$(PYTHON) Tests/Interop/random_unicode.py --bin $(BIN) --characters $(CHARACTERS)

quality: build
	$(PYTHON) Tests/Interop/quality.py --bin $(BIN) $(QUALITY)

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1" \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions" "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" \
		"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	for tool in $(TOOLS); do \
		install -s -m 755 $(BIN)/$$tool "$(DESTDIR)$(PREFIX)/bin/" && \
		$(BIN)/$$tool --generate-manual > "$(DESTDIR)$(PREFIX)/share/man/man1/$$tool.1" && \
		$(BIN)/$$tool --generate-completions bash > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$tool" && \
		$(BIN)/$$tool --generate-completions zsh > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$$tool" && \
		$(BIN)/$$tool --generate-completions fish > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$tool.fish" || exit 1; \
	done

dist: build
	sh Sources/Development/packaging/dist.sh $(BIN) $(OUT)

deb: build
	sh Sources/Development/packaging/deb.sh $(BIN) $(OUT)

release-check: dist deb
	sh Sources/Development/packaging/check.sh $(BIN) $(OUT)

cluster-test: build
	@missing=""; \
	command -v sbatch >/dev/null || missing="$$missing slurm-wlm"; \
	command -v munged >/dev/null || missing="$$missing munge"; \
	command -v parallel >/dev/null || missing="$$missing parallel"; \
	$(PYTHON) -c "import yaml" 2>/dev/null || missing="$$missing python3-yaml"; \
	if [ -n "$$missing" ]; then \
		as_root=""; [ "$$(id -u)" -eq 0 ] || as_root=sudo; \
		echo "installing$$missing"; \
		$$as_root apt-get update -q && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	fi
	PYTHON=$(PYTHON) sh Tests/Interop/cluster.sh $(BIN)

clean:
	rm -rf .build $(OUT)
