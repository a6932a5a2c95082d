from __future__ import annotations

import json

import pytest

from imagegen_postprocess.report import Journal, StepNote


def double(value: int, times: int = 2) -> tuple[int, StepNote]:
    return value * times, StepNote(True, {"times": times})


def decline(value: int) -> tuple[int, StepNote]:
    return value, StepNote(False, note="nothing to do")


def test_a_journal_hands_on_results_and_keeps_notes() -> None:
    journal = Journal()
    assert journal.run("double", double, 3) == 6
    assert journal.run("triple", double, 6, times=3) == 18
    assert journal.run("decline", decline, 18) == 18
    report = journal.report()
    assert [step.name for step in report.steps] == ["double", "triple", "decline"]
    assert report["triple"].detail == {"times": 3}
    assert report.notes == ("decline: nothing to do",)
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_a_failing_step_leaves_no_report() -> None:
    def fail(value: int) -> tuple[int, StepNote]:
        raise ValueError(value)

    journal = Journal()
    with pytest.raises(ValueError, match="7"):
        journal.run("fail", fail, 7)
    assert journal.report().steps == ()
