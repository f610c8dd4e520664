# A thin list of targets: each is a step of gaoler.setup (src/gaoler/setup/), which says what it does while it does it.
#
#   sudo make up      everything: components, kernel, guest files, store, base, daemon, a first machine
#                     DESKTOP=1: and a base with a desktop
#   sudo make test    all tests; installs what they need
#   sudo make hosts   tests on whole virtual hosts, Debian 12 and 13 (SUITES="trixie" names one)
#   sudo make desktop tests of desktops, in a tree that takes some minutes to make
#   sudo make crowd   forty people at once on the page, ten of them with desktops (PEOPLE=40 DESKTOPS=10)
#   sudo make down    stop the machines and the daemon
#   sudo make purge   remove every trace, after asking (YES=1: without)
#   sudo make walls   the tests of docs/explanation/threat-model.md; writes walls-report.md
#   sudo make copies  copies, sleep, restores and kills of machines, N=100 of each, while programs inside check their memory
#        make fuzz    each reader of hostile bytes for ten minutes (SECONDS_EACH=600)
#        make lint    ruff, mypy --strict, import-linter, shellcheck, gcc -Werror, checkpatch --strict
#        make kernel-fixes   each patch of kernel/patches/fix applied to a plain source and built by itself (WHOLE=1: linked, too)
#        make kernel-tree TREE=DIRECTORY   the kernel's source with our files and patches, a git repository to work in
#
# PREFIX (/usr/local), CACHE (/var/cache/gaoler) and GAOLER_CONFIG (/etc/gaoler/gaoler.toml) move things elsewhere. BASE=DIRECTORY makes the
# base a copy of that tree, with no mirror needed.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
CACHE ?= /var/cache/gaoler
GAOLER_CONFIG ?= /etc/gaoler/gaoler.toml
export PREFIX CACHE GAOLER_CONFIG YES BASE SUITES BARE DESKTOP TREE WHOLE

# Debian's own interpreter: no site packages are needed before the environment exists.
SETUP := PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(CURDIR)/src /usr/bin/python3 -m gaoler.setup

.PHONY: help up down purge test hosts desktop lint kernel-tree kernel-fixes
help:
	@sed -n 's/^#   /  /p' Makefile

up down purge test hosts desktop lint kernel-tree kernel-fixes: python
	@$(SETUP) $@ $(ARGS)

.PHONY: crowd
crowd:
	@GAOLER_TEST_CROWD=$(or $(PEOPLE),40) GAOLER_TEST_DESKTOPS=$(DESKTOPS) $(MAKE) desktop ARGS="-k a_class_begins -s"

# In the environment that `make test` makes, as `walls` is.
FUZZED := wire request milestone address host_key console name quantity settings
SECONDS_EACH ?= 600
.PHONY: fuzz
fuzz:
	@for target in $(FUZZED); do .venv/bin/python tests/fuzz/run.py $$target -max_total_time=$(SECONDS_EACH) || exit; done

WALLS := tests/system/walls tests/system/host/test_jail.py
.PHONY: walls
walls:
	@results=$$(mktemp) && trap 'rm -f $$results' EXIT; python=.venv/bin/python; \
	  $$python -m pytest --junit-xml=$$results $(WALLS) $(ARGS); code=$$?; \
	  $$python tests/walls_report.py $$results > docs/explanation/walls-report.md && exit $$code

.PHONY: copies
copies:
	@GAOLER_TEST_WALK=$(or $(N),100) .venv/bin/python -m pytest tests/system/machines/test_walk.py --timeout=0 $(ARGS)

# The one component that set-up can't install itself: the interpreter it is written in.
.PHONY: python
python:
	@test -x /usr/bin/python3 || { test "$$(id -u)" = 0 && echo 'installing python3, which the rest is written in ...' \
	  && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3 >/dev/null; } \
	  || { echo 'gaoler: /usr/bin/python3 is missing' >&2; echo 'try: sudo apt-get install python3' >&2; exit 1; }
	@/usr/bin/python3 -c 'import tomllib' 2>/dev/null || { /usr/bin/python3 --version >&2; \
	  echo 'gaoler: /usr/bin/python3 is older than 3.11: Debian 12 or newer is needed' >&2; exit 1; }
