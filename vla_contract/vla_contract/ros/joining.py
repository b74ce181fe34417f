"""Joins the ROS graph, or says in one line why that cannot be: the one place where a context is made ready."""

from __future__ import annotations

import os
from collections.abc import Mapping

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

LARGEST_DOMAIN = 232
"""Above it the ports of DDS do not fit (RTPS 2.5, section 9.6.2.3: 7400 + 250 * domain)."""


class JoinError(ValueError):
    """The graph cannot be joined. The message names the setting and what is allowed."""


def domain_problem(environment: Mapping[str, str] = os.environ) -> str:
    """What is wrong with ROS_DOMAIN_ID; empty: nothing, or it is not set."""
    text = environment.get("ROS_DOMAIN_ID", "")
    if not text or (text.isascii() and text.isdecimal() and int(text) <= LARGEST_DOMAIN):
        return ""
    return f"ROS_DOMAIN_ID is {text!r}, allowed are whole numbers from 0 to {LARGEST_DOMAIN}, or nothing"


def join_graph(context: Context | None = None, domain: int | None = None) -> None:
    """Makes a context ready, without rclpy's signal handlers: they would close it under callbacks that are still publishing.

    Args:
        context: None: the one that nodes have where they are given none.
        domain: Instead of ROS_DOMAIN_ID.

    Raises:
        JoinError: A setting is wrong, as ROS_DOMAIN_ID, arguments after --ros-args, or the middleware asked for.
    """
    problem = "" if domain is not None else domain_problem()
    if problem:
        raise JoinError(problem)
    try:
        rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        raise JoinError("; ".join(str(error).splitlines())) from None
