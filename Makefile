# Every target is idempotent. `.venv/.complete` and `.venv/.developing` are written last, so an
# interrupted installation is never trusted by the next call.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TASK ?= pope
MODEL ?= demo
ARGS ?=
# The ten tasks that need no judge, for `make regress`.
SCORED := vqav2,gqa,vizwiz,scienceqa,textvqa,pope,mme,mmbench,mmbench_cn,seedbench
BASELINE := results/baselines/demo

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(VENV)/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@if [ -e $(VENV)/.complete ]; then rm $(VENV)/.complete; else rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server]' --constraint constraints.txt
	@touch $(VENV)/.complete

$(VENV)/.developing: $(VENV)/.complete
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $(VENV)/.developing

.PHONY: install
install: $(VENV)/.complete ## make .venv with the pinned versions; .venv/bin/llava-eval then works

.PHONY: develop
develop: $(VENV)/.developing ## add what tests and checks need

.PHONY: eval
eval: install ## evaluate MODEL (default: demo) on TASK (default: pope)
	@$(BIN)/llava-eval run --model '$(MODEL)' --tasks '$(TASK)' $(ARGS)

.PHONY: test
test: develop ## run the whole test suite
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto $(ARGS)

.PHONY: test-fast
test-fast: develop ## run the tests but for those with processes, disks or browsers of their own
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto -m 'not slow' $(ARGS)

.PHONY: check
check: develop ## lint, format check and type check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: format
format: develop ## format and sort imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: leaderboard
leaderboard: install ## write results/README.md, and show the table of all runs under results/runs
	@$(BIN)/python -m llava_eval.results_page results/README.md
	@$(BIN)/llava-eval leaderboard $(ARGS)

.PHONY: report
report: install ## build/report: the demo on all twelve columns, and the demo against a damaged one
	@rm -rf build/report && mkdir -p build/report/runs
	@OMP_NUM_THREADS=1 $(BIN)/llava-eval run --model demo --tasks all --out build/report/runs/demo >build/report/runs/demo.txt 2>&1 || \
	  { cat build/report/runs/demo.txt >&2; exit 1; }
	@$(BIN)/python -m llava_eval.demo.damage --out build/damaged-demo
	@OMP_NUM_THREADS=1 $(BIN)/llava-eval run --model build/damaged-demo --data mini --tasks all \
	  --out build/report/runs/damaged >build/report/runs/damaged.txt 2>&1 || \
	  { cat build/report/runs/damaged.txt >&2; exit 1; }
	@$(BIN)/llava-eval report build/report/runs/demo --out build/report/demo $(ARGS)
	@$(BIN)/llava-eval report build/report/runs/demo build/report/runs/damaged --out build/report/compare $(ARGS)

.PHONY: regress
regress: install ## run the demo anew and compare it with the baseline under results/baselines
	@rm -rf build/regress && mkdir -p build
	@$(BIN)/llava-eval run --model demo --tasks $(SCORED) --out build/regress >build/regress.txt 2>&1 || \
	  { cat build/regress.txt >&2; exit 1; }
	@$(BIN)/llava-eval compare $(BASELINE) build/regress --max-drop 8 $(ARGS)

.PHONY: baseline
baseline: install ## make the baseline of `make regress` anew, where the demo's answers are meant to change
	@rm -rf $(BASELINE)
	@$(BIN)/llava-eval run --model demo --tasks $(SCORED) --out $(BASELINE)
	@rm $(BASELINE)/*/run.lock $(BASELINE)/*/scores.jsonl

.PHONY: mini
mini: install ## rebuild the mini splits under tasks/mini
	@$(BIN)/python -m llava_eval.demo.mini --out tasks/mini

.PHONY: train-demo
train-demo: install ## train the demo checkpoint again, into build/demo (about 50 minutes of one core)
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.demo.train --out build/demo

.PHONY: docs
docs: install ## write docs/benchmarks.md from the cards
	@$(BIN)/python -m llava_eval.cards > docs/benchmarks.md

.PHONY: bench-scoring
bench-scoring: install ## time the scoring of full-size benchmarks
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.scoring

.PHONY: bench
bench: install ## time the engine against plain generate and the floor, in under ten minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.engine --out results/bench $(ARGS)

.PHONY: bench-gpu
bench-gpu: install ## time the engine at LLaVA-1.5-7B's shape on one GPU; without one, a dry pass
	@$(BIN)/python -m llava_eval.bench.gpu --out results/bench $(ARGS)

.PHONY: bench-precision
bench-precision: install ## count the answers that half precision and sharing change on the demo
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.precision --out results/bench $(ARGS)

.PHONY: bench-client
bench-client: install ## time the client of servers and judges
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.client --out results/bench $(ARGS)

.PHONY: bench-report
bench-report: install ## time the report of 9,000 samples and 500 pictures
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.report $(ARGS)

.PHONY: bench-overhead
bench-overhead: install ## time everything that is not the model, for 100,000 questions
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.overhead --out results/bench $(ARGS)

.PHONY: coverage
coverage: install ## how often the intervals cover, into docs/intervals.md (two minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m llava_eval.bench.coverage --out docs/intervals.md

.PHONY: fuzz
fuzz: develop ## fuzz every reader and rule, 30 seconds each (ARGS='--seconds 60'; x86-64 Linux, Python 3.11 to 3.13)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]' --constraint constraints.txt
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: clean
clean: ## remove the environment, caches and wheels
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
