from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imagegen.errors import CheckpointInvalid
from imagegen.pipeline.schedule import Schedule

CONFIG: dict[str, Any] = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "_diffusers_version": "0.42.1",
    "num_train_timesteps": 1000,
    "shift": 3.0,
    "use_dynamic_shifting": False,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "invert_sigmas": False,
    "shift_terminal": None,
    "time_shift_type": "exponential",
}


def test_four_steps_with_shift_three_are_these() -> None:
    assert Schedule.from_config(CONFIG).sigmas(4, 64).tolist() == pytest.approx([1, 0.9, 0.75, 0.5, 0])


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_strength_below_one_begins_lower_and_makes_as_many_steps(dynamic: bool) -> None:
    schedule = Schedule.from_config(CONFIG | {"use_dynamic_shifting": dynamic})
    begins = [schedule.sigmas(4, 256, strength) for strength in (0.1, 0.5, 0.9, 1.0)]
    assert all(len(sigmas) == 5 and sigmas[-1] == 0 for sigmas in begins)
    firsts = [float(sigmas[0]) for sigmas in begins]
    assert firsts == sorted(set(firsts))
    assert all((sigmas.diff() < 0).all() for sigmas in begins)
    assert torch.equal(begins[-1], schedule.sigmas(4, 256))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("steps", "tokens"), [(1, 64), (4, 1024), (8, 4096), (50, 4301)])
def test_equals_the_reference_scheduler(dynamic: bool, steps: int, tokens: int) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    config = CONFIG | {"use_dynamic_shifting": dynamic}
    reference = FlowMatchEulerDiscreteScheduler.from_config(config)
    mu = compute_empirical_mu(tokens, steps)
    reference.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    found = Schedule.from_config(config).sigmas(steps, tokens)
    torch.testing.assert_close(found, reference.sigmas, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "key_value",
    [
        ("use_karras_sigmas", True),
        ("invert_sigmas", True),
        ("shift_terminal", 0.02),
        ("time_shift_type", "linear"),
        ("stochastic_sampling", True),
        ("_class_name", "EulerDiscreteScheduler"),
        ("a_key_of_tomorrow", 3),
    ],
    ids=str,
)
def test_refuses_other_schedules_by_name(key_value: tuple[str, object]) -> None:
    key, value = key_value
    with pytest.raises(CheckpointInvalid, match=key):
        Schedule.from_config(CONFIG | {key: value})


def test_a_key_of_tomorrow_that_is_switched_off_is_no_matter() -> None:
    assert Schedule.from_config(CONFIG | {"a_key_of_tomorrow": False}).shift == 3.0


def test_refuses_a_shift_that_is_no_positive_number() -> None:
    for shift in (0, -1.0, "3"):
        with pytest.raises(CheckpointInvalid, match="shift"):
            Schedule.from_config(CONFIG | {"shift": shift})
