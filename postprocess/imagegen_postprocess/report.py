"""What each finishing step did, or why it did nothing: the only channel by which a step may decline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

Detail = dict[str, float | int | str | bool | list[int] | list[float]]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class StepNote:
    """A step's own account of itself.

    applied: the step changed the picture. detail: measured numbers, JSON-ready. note: one sentence for a
    person; empty when all went as asked.
    """

    applied: bool
    detail: Detail = field(default_factory=dict)
    note: str = ""

    def number(self, name: str) -> float:
        """One measured number of `detail`; KeyError or TypeError when there is none of that name."""
        value = self.detail[name]
        if not isinstance(value, (int, float)):
            raise TypeError(f"{name} is {value!r}")
        return float(value)


@dataclass(frozen=True)
class StepReport:
    """A `StepNote` with the step's name and its wall-clock seconds."""

    name: str
    applied: bool
    seconds: float
    detail: Detail
    note: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "applied": self.applied,
            "seconds": round(self.seconds, 4),
            "detail": dict(self.detail),
            "note": self.note,
        }


@dataclass(frozen=True)
class FinishReport:
    """The steps in the order in which they ran."""

    steps: tuple[StepReport, ...]

    def __getitem__(self, name: str) -> StepReport:
        """The report of the step called `name`; KeyError when it did not run."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know, as "step: sentence", in order; empty when all went as asked."""
        return tuple(f"{step.name}: {step.note}" for step in self.steps if step.note)

    def to_dict(self) -> dict[str, Any]:
        return {"steps": [step.to_dict() for step in self.steps]}


class Journal:
    """Runs steps one after another and keeps their reports."""

    def __init__(self, steps: Iterable[StepReport] = ()) -> None:
        self._steps = list(steps)

    def copy(self) -> Journal:
        """A journal that goes on from here without this one."""
        return Journal(self._steps)

    def run(
        self,
        name: str,
        step: Callable[Concatenate[T, P], tuple[R, StepNote]],
        subject: T,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call `step(subject, ...)`, record its note with the time it took, and hand on its result."""
        started = time.perf_counter()
        result, note = step(subject, *args, **kwargs)
        seconds = time.perf_counter() - started
        self._steps.append(StepReport(name, note.applied, seconds, note.detail, note.note))
        return result

    def report(self) -> FinishReport:
        return FinishReport(tuple(self._steps))
