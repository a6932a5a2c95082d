from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imagegen.networks import transformer as transformer_module
from imagegen.networks.quantize_module import quantize_module
from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen_kernels import gated_residual, modulate, swiglu
from imagegen_kernels.modulate import Modulated

CONFIG = TransformerConfig(
    in_channels=8,
    num_layers=1,
    num_single_layers=1,
    attention_head_dim=16,
    num_attention_heads=2,
    joint_attention_dim=24,
    axes_dims_rope=(4, 4, 4, 4),
    timestep_guidance_channels=16,
    guidance_embeds=False,
)


@pytest.fixture(scope="module")
def transformer() -> Transformer:
    torch.manual_seed(0)
    network = Transformer(CONFIG)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_positions_turn_text_by_word_and_image_by_row_and_column(transformer: Transformer) -> None:
    rotary = transformer.rotary(text_length=3, rows=2, columns=4)
    assert rotary.cos.shape == (3 + 2 * 4, 8)
    angle = torch.atan2(rotary.sin, rotary.cos)
    # The first pair of each axis turns by the position itself: axes are time, row, column, word.
    assert angle[:3, 6].tolist() == pytest.approx([0, 1, 2])
    assert angle[:3, [0, 2, 4]].abs().max() == 0
    assert angle[3:, 2].tolist() == pytest.approx([0, 0, 0, 0, 1, 1, 1, 1])
    assert angle[3:, 4].tolist() == pytest.approx([0, 1, 2, 3, 0, 1, 2, 3])
    assert angle[3:, [0, 6]].abs().max() == 0


def test_modulations_are_one_a_timestep(transformer: Transformer) -> None:
    together = transformer.modulations(torch.tensor([1000.0, 250.0]))
    alone = transformer.modulations(torch.tensor([250.0]))[0]
    assert len(together) == 2
    torch.testing.assert_close(together[1].image[1].gate, alone.image[1].gate)
    torch.testing.assert_close(together[1].out_scale, alone.out_scale)
    assert not torch.allclose(together[0].single.shift, alone.single.shift)


def test_every_image_token_sees_the_text(transformer: Transformer) -> None:
    latents, prompt = torch.randn(1, 6, 8), torch.randn(1, 3, 24)
    rotary, modulation = transformer.rotary(3, 2, 3), transformer.modulations(torch.tensor([500.0]))[0]
    with torch.inference_mode():
        one = transformer(latents, transformer.embed_text(prompt), modulation, rotary)
        prompt[0, 2] += 1
        other = transformer(latents, transformer.embed_text(prompt), modulation, rotary)
    assert one.shape == latents.shape
    assert (one - other).abs().amin() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"guidance_embeds": True}, "guidance_embeds"),
        ({"patch_size": 2}, "patch_size"),
        ({"axes_dims_rope": (4, 4, 4)}, "axes_dims_rope"),
        ({"axes_dims_rope": (4, 4, 4, 8)}, "axes_dims_rope"),
    ],
)
def test_refuses_what_it_cannot_run(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]


def test_photos_have_a_time_each_and_rows_and_columns_of_their_own(transformer: Transformer) -> None:
    plain, seen = transformer.rotary(3, 2, 4), transformer.rotary(3, 2, 4, [(2, 4), (1, 2)])
    assert torch.equal(seen.cos[:11], plain.cos)
    angle = torch.remainder(torch.atan2(seen.sin, seen.cos), 2 * math.pi)
    assert angle[11:19, 0].tolist() == pytest.approx([10 - 2 * math.pi] * 8, abs=1e-5)
    assert angle[19:, 0].tolist() == pytest.approx([20 - 6 * math.pi] * 2, abs=1e-5)
    assert torch.equal(seen.cos[11:19, 2:], plain.cos[3:, 2:])
    assert angle[19:, 4].tolist() == pytest.approx([0, 1])


def test_photos_are_seen_and_get_no_velocity(transformer: Transformer) -> None:
    latents, text, photo = torch.randn(2, 6, 8), torch.randn(2, 3, 32), torch.randn(2, 4, 8)
    modulation = transformer.modulations(torch.tensor([500.0]))[0]
    rotary = transformer.rotary(3, 2, 3, [(2, 2)])
    with torch.inference_mode():
        one = transformer(latents, text, modulation, rotary, photo)
        photo[1, 3] += 1
        other = transformer(latents, text, modulation, rotary, photo)
    assert one.shape == latents.shape
    assert torch.equal(one[0], other[0])
    assert (one[1] - other[1]).abs().amin() > 0


def test_fused_products_give_the_bits_of_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Transformer(
        replace(CONFIG, num_single_layers=2, attention_head_dim=64, axes_dims_rope=(16,) * 4)
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert len(quantize_module(network, "ternary", skip=["x_embedder", "*_embed*", "proj_out"]).packed) > 10
    latents, text = torch.randn(2, 6, 8), torch.randn(2, 3, 128)
    rotary, modulation = network.rotary(3, 2, 3), network.modulations(torch.tensor([500.0]))[0]

    def apart(linear: torch.nn.Module, x: Tensor | Modulated) -> Tensor:
        y: Tensor = linear(modulate(*x) if isinstance(x, Modulated) else x)
        return y

    def gated(
        linear: torch.nn.Module, x: Tensor | Modulated, ahead: int = 0, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        both = apart(linear, x)
        return both[..., :ahead], swiglu(both[..., ahead:], out)

    with torch.inference_mode():
        fused = network(latents, text, modulation, rotary)
        monkeypatch.setattr(transformer_module, "project", apart)
        monkeypatch.setattr(transformer_module, "project_gated", gated)
        monkeypatch.setattr(
            transformer_module,
            "project_residual",
            lambda linear, x, before, gate: gated_residual(before, gate, linear(x)),
        )
        assert torch.equal(network(latents, text, modulation, rotary), fused)
