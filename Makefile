# Every target does its own set-up, into .venv; the second time that costs nothing.
# Needs make and either uv or Python 3.11 or newer with its venv module. Never needs root.
#
#   make lab       JupyterLab on the quickstart         make plugins   rebuild the example plugins' .wasm
#   make test      lint, then all tests                 make bench     what a call costs
#   make check     lint, then the fast tests            make clean     remove all that make has made
#   make lint      lint alone
#   make core      the core's library, in C, where it is not that of its sources
#   make demo      the quickstart without a browser, and an HTML report
#   make docs      the site, into docs/_build/html
#   make walls     every attack, with the wall taken down that withstands it
#   make pages     bundle the live widgets' pages  (needs Node; ARGS=--fix formats them)
#   make soak      thousands of loads, calls, cancels and interrupts: is anything kept? And long fuzzing
#   make cross     compile the core for macOS, Windows and Linux on arm64
#   make analyze   gcc's static analysis of the core
#   make sanitize  the engine's tests with AddressSanitizer and UBSan in the core
#   make fuzz SECONDS=600   scripted guests against that core, for so long
#   make wasmtime VERSION=51   the engine's tests on another wasmtime
#   make graders   the checks of exercises through nbgrader and otter-grader
#
# ARGS="..." is handed on, for example  make test ARGS="-k quota"  or  make lab ARGS="--port 9999".

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Test processes: one more than processors, since many a test waits for a limit, a browser or a compiler. Up to four:
# more of them would wait for those tests that want the machine alone.
TESTERS := $(shell n=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); echo $$((n < 4 ? n : 4)))
# How many tests that failed are tried once more: none, but a few in CI, whose machine may stop for seconds.
RETRIES ?=
RETRY := $(if $(RETRIES),--reruns 1 --max-suite-reruns $(RETRIES) --rerun-show-tracebacks,-p no:rerunfailures)
PYTEST := $(BIN)/python -m pytest --numprocesses $(TESTERS) $(RETRY)

ZIG_CACHES := ZIG_LOCAL_CACHE_DIR=$(abspath $(VENV))/zig/cache ZIG_GLOBAL_CACHE_DIR=$(abspath $(VENV))/zig/cache

# What `make sanitize` runs, and where `make wasmtime` installs.
ASAN_OPTIONS := detect_leaks=0:abort_on_error=1:quarantine_size_mb=8:handle_segv=0:handle_sigbus=0
SANITIZED := tests/engine tests/hostile tests/stateful --ignore tests/hostile/test_walls.py
SCRIPTED := tests/engine/core/test_scripted_guest.py
OTHER := $(VENV)/wasmtime-$(VERSION)

# What `make check` leaves to `make test`, beside all that needs a kernel, a browser or minutes.
SLOW := browser hostile foreign plugins test_documents.py

GRADERS := $(VENV)/graders

.DEFAULT_GOAL := help
.PHONY: help lab test check walls lint lint-types lint-imports lint-pages lint-style core cross wheels package analyze sanitize fuzz wasmtime graders demo docs plugins pages bench soak clean

help:
	@sed -n '/^#/!q;s/^#[ ]\{0,1\}//p' Makefile

lab: $(VENV)/.lab core
	@$(BIN)/python -m judicia_notebook lab $(ARGS)

demo: $(VENV)/.lab core
	@$(BIN)/python -m judicia_notebook demo $(ARGS)

test: lint
	@$(PYTEST) $(ARGS)

check: lint
	@$(PYTEST) -m fast --quiet $(foreach slow,$(SLOW),--ignore tests/$(slow)) $(ARGS)

walls: $(VENV)/.dev core
	@ALL_WALLS=1 $(PYTEST) tests/hostile/test_walls.py $(ARGS)

# mypy has one processor to itself; what else takes seconds has another meanwhile.
lint: $(VENV)/.dev core
	@$(MAKE) --no-print-directory --jobs 2 lint-types lint-imports lint-pages lint-style
	@echo "lint: ruff, mypy, clang-format and the import contracts are satisfied"

lint-types:
	@$(BIN)/mypy --no-error-summary

lint-imports:
	@$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }

lint-pages:
	@$(BIN)/python tools/build_pages.py --lint --where-possible

lint-style:
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/clang-format --dry-run --Werror judicia_notebook/engine/core/*.[ch]

# Where there is no C compiler, exit code 3 asks for ziglang's.
core: $(BIN)/python
	@$(BIN)/python tools/build_core.py $(if $(SANITIZE),--sanitize) || { \
	    [ $$? -eq 3 ] && $(call zig,$(BIN)/python) && $(BIN)/python tools/build_core.py; }

# The core for other machines, where it is only compiled; zig brings their libraries. Kept until `make clean`.
cross: $(VENV)/.zig
	@$(ZIG_CACHES) $(VENV)/zig/bin/python tools/build_core.py --cross $(VENV)/zig/cross

# zig compiles the core of each wheel, so all of them are built here; where they run they are tried by a workflow.
wheels: $(VENV)/.zig $(VENV)/.package
	@rm -rf dist
	@$(ZIG_CACHES) PYTHONPATH="$$($(VENV)/zig/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	    $(VENV)/package/bin/python tools/build_wheels.py
	@$(VENV)/package/bin/twine check --strict dist/*
	@$(VENV)/package/bin/check-wheel-contents dist/*.whl

package: $(VENV)/.dev $(VENV)/.package
	@$(VENV)/package/bin/python tools/check_package.py --tests-with $(BIN)/python $(ARGS)

# gcc's static analysis of each path through the C.
analyze: $(BIN)/python
	@$(BIN)/python tools/build_core.py --analyze

# The engine's tests on a core with AddressSanitizer and UBSan. Its shadow of all memory leaves a limit of address space
# no room; Python keeps until its end what would count as leaked; memory that is kept back would count as held; a fault
# of a guest is Wasmtime's. Whatever throws in C++ needs libstdc++ before AddressSanitizer looks for it.
sanitize: $(VENV)/.dev
	@$(BIN)/python tools/build_core.py --sanitize
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" \
	    ASAN_OPTIONS=$(ASAN_OPTIONS) FUZZ_SECONDS=$(or $(SECONDS),60) \
	    UBSAN_OPTIONS=print_stacktrace=1 $(PYTEST) -m "not address_space" $(or $(ARGS),$(SANITIZED)); \
	status=$$?; $(BIN)/python tools/build_core.py; exit $$status

# A sanitized core against guests that do whatever a script says, with scripts that no run before has seen.
fuzz:
	@$(MAKE) --no-print-directory sanitize SECONDS=$(or $(SECONDS),600) ARGS="-n0 -rP $(SCRIPTED) $(ARGS)"

# The engine's tests on another release of wasmtime: an environment of its own, which sees all other packages of .venv.
wasmtime: $(VENV)/.dev core
	@[ -n "$(VERSION)" ] || { echo "which one? make wasmtime VERSION=51" >&2; exit 1; }
	@[ -x $(OTHER)/bin/python ] || $(BIN)/python -m venv --without-pip $(OTHER)
	@$(BIN)/python -m pip --python $(OTHER)/bin/python install --quiet --disable-pip-version-check --no-deps \
	    'wasmtime==$(VERSION).*'
	@$(call see_the_rest,$(OTHER)/bin/python)
	@said=$$($(OTHER)/bin/python -m judicia_notebook doctor | grep ' engine '); echo "$$said"; case "$$said" in ok*) ;; *) exit 1;; esac
	@$(OTHER)/bin/python -m pytest --numprocesses $(TESTERS) $(or $(ARGS),tests/engine tests/limits)

# Real graders, each in an environment of its own, which sees all packages of .venv: they are no part of the project.
graders: $(VENV)/.dev core $(GRADERS)/nbgrader/.made $(GRADERS)/otter/.made
	@GRADERS=$(abspath $(GRADERS)) $(BIN)/python -m pytest $(RETRY) tests/graders $(ARGS)

$(GRADERS)/%/.made: tests/graders/%.txt $(VENV)/.dev
	@echo "Installing $* into $(@D) ..."
	@$(BIN)/python -m venv --without-pip $(@D)
	@$(call see_the_rest,$(@D)/bin/python)
	@$(BIN)/python -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check -r $<
	@touch $@

docs: $(VENV)/.docs core
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html -c docs . docs/_build/html $(ARGS)
	@echo "docs: docs/_build/html/index.html"

plugins: $(VENV)/.lab core
	@$(BIN)/python tools/build_plugins.py $(ARGS)

pages: $(VENV)/.lab
	@$(BIN)/python tools/build_pages.py $(ARGS)

bench: $(VENV)/.bench core
	@echo "== benchmarks/peers.py"; $(BIN)/python benchmarks/peers.py $(ARGS)
	@echo "== benchmarks/metering.py"; $(BIN)/python benchmarks/metering.py
	@echo "== benchmarks/meterings.py"; $(BIN)/python benchmarks/meterings.py
	@echo "== benchmarks/monitors.py"; $(BIN)/python benchmarks/monitors.py
	@echo "== benchmarks/recorder.py"; $(BIN)/python benchmarks/recorder.py
	@echo "== benchmarks/columns.py"; $(BIN)/python benchmarks/columns.py
	@echo "== benchmarks/ufunc.py"; $(BIN)/python benchmarks/ufunc.py
	@echo "== benchmarks/interrupts.py"; $(BIN)/python benchmarks/interrupts.py
	@echo "== benchmarks/files.py"; $(BIN)/python benchmarks/files.py

soak: $(VENV)/.dev core
	@$(BIN)/python tools/soak.py $(ARGS)
	@SOAK=1 $(PYTEST) -m "soak or hypothesis"

clean:
	rm -rf $(VENV) dist docs/_build node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find judicia_notebook -name target -type d -prune -exec rm -rf {} +

# --- set-up ----------------------------------------------------------------------------------------------------------
# A stamp newer than pyproject.toml and the interpreter says that what it is named after is installed.

$(VENV)/.lab: pyproject.toml $(BIN)/python
	@$(call install,lab)
	@touch $@

# Where there is no wheel of the other engine, the comparison goes without it.
$(VENV)/.bench: pyproject.toml $(BIN)/python
	@$(call install,bench) || { $(call install,lab); }
	@touch $@

$(VENV)/.docs: pyproject.toml $(BIN)/python
	@$(call install,docs)
	@touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/python
	@$(call install,dev)
	@touch $@ $(VENV)/.lab $(VENV)/.docs

# Environments of their own: a compiler of 400 MB, and checkers whose dependencies are none of ours.
$(VENV)/.zig: pyproject.toml $(BIN)/python
	@[ -x $(VENV)/zig/bin/python ] || $(BIN)/python -m venv --without-pip $(VENV)/zig
	@$(VENV)/zig/bin/python -c 'import ziglang' 2>/dev/null || { $(call zig,$(VENV)/zig/bin/python); }
	@touch $@

$(VENV)/.package: pyproject.toml $(BIN)/python
	@[ -x $(VENV)/package/bin/python ] || $(BIN)/python -m venv --without-pip $(VENV)/package
	@$(BIN)/python tools/check_package.py --requirements >$(VENV)/package/requirements.txt
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(VENV)/package/bin/python -r $(VENV)/package/requirements.txt; \
	else $(BIN)/python -m pip --python $(VENV)/package/bin/python install --quiet --disable-pip-version-check \
	    -r $(VENV)/package/requirements.txt; fi
	@touch $@

define install
echo "Installing judicia_notebook[$(1)] into $(VENV) ..."; \
if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python -e '.[$(1)]'; \
else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(1)]'; fi
endef

# Has an environment see all packages of .venv that it has none of its own of.
define see_the_rest
$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
    >"$$($(1) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_the_rest.pth"
endef

define zig
{ zig=$$($(BIN)/python tools/build_core.py --ziglang); echo "Installing $$zig, 400 MB, for its C compiler ..."; \
if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(1) "$$zig"; \
else $(BIN)/python -m pip --python $(1) install --quiet --disable-pip-version-check "$$zig"; fi; }
endef

$(BIN)/python:
	@if command -v uv >/dev/null 2>&1; then exec uv venv --quiet --seed --python '>=3.11' --allow-existing $(VENV); fi; \
	for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "judicia_notebook needs Python 3.11 or newer (or uv, which brings its own); none was found." >&2; exit 1; \
	fi; \
	if ! $$python -m venv $(VENV); then \
	    rm -rf $(VENV); \
	    echo "$$python cannot make virtual environments: install its venv module (Debian: python3-venv) or uv." >&2; exit 1; \
	fi
