"""Figures of a benchmark, each with the goal that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    measure: str
    value: float
    unit: str
    goal: str
    reached: bool


def at_most(measure: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that is to be small."""
    return Figure(measure, value, unit, f"<= {goal:g}", value <= goal)


def at_least(measure: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that is to be large."""
    return Figure(measure, value, unit, f">= {goal:g}", value >= goal)


def told(measure: str, value: float, unit: str) -> Figure:
    """Return a figure without a goal."""
    return Figure(measure, value, unit, "", True)
