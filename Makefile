# Everything here sets itself up first. On a machine with ROS 2 sourced, use colcon instead: see README.md.

PYTHON ?= python3
SHELL := /bin/bash

.PHONY: help setup build test demo bench bench-long mutants evaluate figures reference data checkpoint lint clean

help:
	@echo "make setup       environment, rendering, colcon build; seconds where nothing has changed"
	@echo "make test        all tests"
	@echo "make demo        ten pick trials through the ROS 2 graph; results in out/demo/"
	@echo "make bench       figures of the graph, policy and simulator; results in out/bench/"
	@echo "make bench-long  the same with more samples"
	@echo "make evaluate    100 trials of each task in lockstep; results in out/eval/"
	@echo "make figures     demo, bench and evaluate again, then the figures of README.md and docs/figures.md"
	@echo "make reference   the pages of docs/reference/ that the sources tell by themselves"
	@echo "make checkpoint  demonstrations and training of the shipped policy, about an hour on 2 cores"
	@echo "make mutants     single faults put into the code; what the tests do not notice; results in out/mutants/"
	@echo "make lint        ruff, and the order of imports (.importlinter)"
	@echo "make clean       removes everything that was made here but the results in out/"

setup:
	@$(PYTHON) tools/setup_env.py

build: setup

# Side by side in as many lanes, file by file, those that take longest first: half of a test's time is waiting for a graph.
LANES ?= 2
TESTED := vla_bringup vla_bench vla_policy vla_replay vla_trials vla_policy_node vla_graph vla_controller vla_sim vla_bags \
  vla_evidence vla_motion vla_contract

test: setup
	@tools/run python -m pytest -n $(LANES) --dist loadfile --no-loadscope-reorder $(TESTED:%=%/test) $(ARGS)

demo: setup
	@tools/run vla demo $(ARGS)

bench: setup
	@tools/run vla bench $(ARGS)

bench-long: setup
	@tools/run vla bench --long $(ARGS)

TASKS := pick place_in_bowl cup_on_coaster stack

evaluate: setup
	@for task in $(TASKS); do tools/run vla eval --task $$task --trials 100 --seed 50000 --json out/eval/$$task.json || exit; done

figures: demo bench evaluate
	@tools/run vla figures

reference: setup
	@tools/run python tools/reference

# The data and the training of vla_policy/checkpoints/panda_tabletop.safetensors. Both go on where they were interrupted.
data: setup
	@tools/run vla demos --task pick --episodes 450 --seed 0
	@tools/run vla demos --task place_in_bowl --episodes 180 --seed 0
	@tools/run vla demos --task cup_on_coaster --episodes 90 --seed 0
	@tools/run vla demos --task stack --episodes 54 --seed 0

checkpoint: data
	@tools/run vla train --card panda_tabletop $(TASKS:%=--data out/demos/%) --minutes 33 --resume \
	  --out vla_policy/checkpoints/panda_tabletop.safetensors

lint: setup
	@tools/run ruff check .
	@tools/run lint-imports --no-cache

# cosmic-ray and what it brings stay out of the environment that everything else runs in.
MUTANTS := out/mutants/env

mutants: setup
	@test -x $(MUTANTS)/bin/python || { .venv/bin/python -m venv $(MUTANTS) && \
	  $(MUTANTS)/bin/pip install -q -r tools/mutants/requirements.txt; }
	@COSMIC_RAY=$$(echo $(CURDIR)/$(MUTANTS)/lib/python3*/site-packages) tools/run python tools/mutants $(ARGS)

clean:
	rm -rf .venv build install log
