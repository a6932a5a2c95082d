"""A seed is a seed: both kinds of painter give the same picture for it, whatever batch it is painted in."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from training.dataset import Statistics
from training.evaluation.painters import Painter, of_phase, shipped, teacher_levels
from training.networks import TOKEN_CHANNELS, ConditionedTransformer, build_autoencoder
from training.run import Recipe
from training.tokenizer import train_tokenizer

# Under autocast the norms' weights stay float32; torch says once that this is not its fastest path.
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")


def random_recipe() -> Recipe:
    """A recipe whose networks are all untrained."""

    def network(phase: str) -> ConditionedTransformer:
        torch.manual_seed(0)
        untrained = ConditionedTransformer(train_tokenizer(["red shoe", "blue bag"], 300))
        torch.nn.init.normal_(untrained.transformer.proj_out.weight, std=0.05)
        return untrained

    config = SimpleNamespace(student=SimpleNamespace(guidance=3.5))
    statistics = Statistics(torch.zeros(TOKEN_CHANNELS), torch.ones(TOKEN_CHANNELS))
    parts = {"network": network, "statistics": lambda: statistics, "autoencoder": build_autoencoder}
    return cast(Recipe, SimpleNamespace(config=config, **parts))


@pytest.fixture(scope="module", params=["shipped", "student", "ternary"])
def painter(request: pytest.FixtureRequest, packed_checkpoint: Path) -> Painter:
    return (
        shipped(packed_checkpoint) if request.param == "shipped" else of_phase(random_recipe(), request.param)
    )


def test_a_picture_depends_on_prompt_and_seed(painter: Painter) -> None:
    pictures = painter(["red shoe", "red shoe", "blue bag"], [1, 2, 1])
    assert pictures.dtype == np.uint8
    assert pictures.shape[0] == 3
    assert pictures.shape[1] == pictures.shape[2]
    assert not np.array_equal(pictures[0], pictures[1])
    again = painter(["red shoe"], [2])
    assert np.abs(again[0].astype(int) - pictures[1]).mean() < 2


def test_a_seed_for_each_prompt_is_required(painter: Painter) -> None:
    with pytest.raises(ValueError, match="seeds"):
        painter(["red shoe"], [1, 2])


def test_a_teacher_draws_under_the_guidance_its_student_learns() -> None:
    asked: tuple[list[str], list[int]] = ["red shoe"], [1]
    by_default = of_phase(random_recipe(), "flow", steps=2)(*asked)
    assert np.array_equal(by_default, of_phase(random_recipe(), "flow", steps=2, guidance=3.5)(*asked))
    assert not np.array_equal(by_default, of_phase(random_recipe(), "flow", steps=2, guidance=1.0)(*asked))


def test_teacher_levels_hold_the_sigmas_of_inference() -> None:
    assert teacher_levels(4) == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])
    assert len(teacher_levels(50)) == 51
