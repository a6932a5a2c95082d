from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from imagegen.networks.text_encoder import TextEncoder, TextEncoderConfig

CONFIG = TextEncoderConfig(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
)


def make(out_layers: tuple[int, ...]) -> TextEncoder:
    torch.manual_seed(0)
    network = TextEncoder(CONFIG, out_layers)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def test_builds_only_the_layers_that_are_asked_for() -> None:
    assert len(make((1, 2)).layers) == 2
    assert not hasattr(make((1, 2)), "norm")
    assert hasattr(make((0, 3)), "norm")
    with pytest.raises(ValueError, match="layer 4"):
        make((1, 4))


def test_stacks_states_in_the_order_asked_for() -> None:
    ids, mask = torch.randint(50, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    with torch.inference_mode():
        states = make((0, 3, 1))(ids, mask)
        first = make((1, 0, 3))(ids, mask)[..., :32]
    assert states.shape == (2, 5, 3 * 32)
    torch.testing.assert_close(states[..., 64:], first)


def test_words_do_not_see_the_padding_behind_them() -> None:
    network = make((2, 3))
    ids = torch.randint(1, 50, (1, 6))
    mask = torch.tensor([[True, True, True, True, False, False]])
    with torch.inference_mode():
        padded = network(ids, mask)
        alone = network(ids[:, :4], mask[:, :4])
    torch.testing.assert_close(padded[:, :4], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_type": "llama"},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"use_sliding_window": True},
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        {"num_key_value_heads": 3},
    ],
    ids=str,
)
def test_refuses_what_it_cannot_run(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not supported|multiple"):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]


def test_reads_the_rotation_base_where_either_version_of_transformers_writes_it() -> None:
    assert replace(CONFIG, rope_theta=5e5).theta == 5e5
    assert replace(CONFIG, rope_parameters={"rope_theta": 2e5, "rope_type": "default"}).theta == 2e5
