"""The quick look counts which colours came for each that was asked."""

from types import SimpleNamespace
from typing import cast

from training.evaluation.quality import Answers
from training.glance import colours


def test_colours_are_counted_by_the_basic_name_that_was_asked() -> None:
    asked = [{"colour": name} for name in ("navy blue", "blue", "silver", "red")]
    verdicts = SimpleNamespace(colours=["blue", "black", "grey", "pink"])
    found = colours(cast(Answers, SimpleNamespace(asked=asked, verdicts=verdicts)))
    assert found == {"blue": {"blue": 1, "black": 1}, "red": {"pink": 1}}
