# Everything here sets itself up first. On a machine with ROS 2 sourced, use colcon instead: see README.md.

PYTHON ?= python3
PACKAGES := vla_contract vla_motion vla_controller vla_policy_node vla_sim vla_eval vla_bringup
SHELL := /bin/bash

.PHONY: help setup build test demo bench bench-long lint clean

help:
	@echo "make setup       environment, rendering, colcon build; seconds where nothing has changed"
	@echo "make test        all tests"
	@echo "make demo        ten pick trials through the ROS 2 graph; results in out/demo/"
	@echo "make bench       figures of the graph, policy and simulator; results in out/bench/"
	@echo "make bench-long  the same with more samples"
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

lint: setup
	@tools/run ruff check .

clean:
	rm -rf .venv build install log
