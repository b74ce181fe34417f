# Everything here sets itself up first. On a machine with ROS 2 sourced, use colcon instead: see README.md.

PYTHON ?= python3
PACKAGES := vla_contract vla_motion vla_controller vla_policy_node vla_sim vla_eval vla_bringup
SHELL := /bin/bash

.PHONY: help setup build test demo bench bench-long evaluate figures data checkpoint lint clean

help:
	@echo "make setup       environment, rendering, colcon build; seconds where nothing has changed"
	@echo "make test        all tests"
	@echo "make demo        ten pick trials through the ROS 2 graph; results in out/demo/"
	@echo "make bench       figures of the graph, policy and simulator; results in out/bench/"
	@echo "make bench-long  the same with more samples"
	@echo "make evaluate    100 trials of each task in lockstep; results in out/eval/"
	@echo "make figures     demo, bench and evaluate again, then the figures in README.md from their results"
	@echo "make checkpoint  demonstrations and training of the shipped policy, about an hour on 2 cores"
	@echo "make lint        ruff"
	@echo "make clean       removes everything that was made here but the results in out/"

setup:
	@$(PYTHON) tools/setup_env.py

build: setup

test: setup
	@tools/run python -m pytest $(PACKAGES:%=%/test) $(ARGS)

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

# The data and the training of vla_policy_node/checkpoints/panda_tabletop.safetensors. Both go on where they were interrupted.
data: setup
	@tools/run vla demos --task pick --episodes 450 --seed 0
	@tools/run vla demos --task place_in_bowl --episodes 180 --seed 0
	@tools/run vla demos --task cup_on_coaster --episodes 90 --seed 0
	@tools/run vla demos --task stack --episodes 54 --seed 0

checkpoint: data
	@tools/run vla train --card panda_tabletop $(TASKS:%=--data out/demos/%) --minutes 33 --resume \
	  --out vla_policy_node/checkpoints/panda_tabletop.safetensors

lint: setup
	@tools/run ruff check .

clean:
	rm -rf .venv build install log
