from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagegen.errors import CheckpointInvalid
from imagegen.weights import memory
from imagegen.weights.catalog import ModelCard, find_model, read_card
from imagegen.weights.memory import BITS, Needs, memory_needs
from tests.miniature import make_miniature

LARGE = {"num_attention_heads": 24, "attention_head_dim": 128, "mlp_ratio": 3.0}
VAE = {"block_out_channels": [128, 256, 512, 512]}
TEXT = {"vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728}


def formats(**weights: int) -> dict[str, Any]:
    return {"formats": {kind: {"weights": count, "bytes": count} for kind, count in weights.items()}}


@pytest.fixture
def model(tmp_path: Path) -> ModelCard:
    """The JSON files of FLUX.2 [klein] 4B, its transformer ternary, its text encoder int8."""
    folder = tmp_path / "klein"
    for name, config in (("transformer", LARGE), ("text_encoder", TEXT), ("vae", VAE)):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "Flux2KleinPipeline", "is_distilled": True})
    )
    describe(folder, transformer=formats(ternary=3_680_000_000, F16=195_000_000))
    return read_card(folder)


def describe(folder: Path, **components: dict[str, Any]) -> None:
    parts = {
        "transformer": formats(BF16=3_875_000_000),
        "text_encoder": formats(int8=2_700_000_000, BF16=TEXT["vocab_size"] * TEXT["hidden_size"]),
        "vae": formats(BF16=50_000_000),
        **components,
    }
    (folder / "imagegen.json").write_text(json.dumps({"format_version": 1, "components": parts}))


def test_the_bounds_are_those_of_the_code_that_has_them() -> None:
    from imagegen.networks.banded_decoder import BAND_BYTES
    from imagegen.weights.load import SMALL_NETWORK
    from imagegen_kernels.formats import packed_bytes
    from imagegen_kernels.matmul import cpu

    assert memory._KEPT_CODES == cpu.KEPT_CODES
    assert memory._SMALL * 4 == SMALL_NETWORK
    assert memory._BANDS == 8 * BAND_BYTES
    for format, bits in BITS.items():
        exact = packed_bytes(format, 1, 12800, 128 if format != "int8" else 12800)  # type: ignore[arg-type]
        assert exact * 8 / 12800 == pytest.approx(bits, abs=0.01)


def test_a_4b_takes_what_its_formats_say(model: ModelCard) -> None:
    needs = memory_needs(model)
    assert needs.transformer.nbytes == 3_680_000_000 * 2.125 / 8 + 2 * 195_000_000
    assert needs.text_encoder.nbytes == 2_700_000_000, "its table stays in the file"
    assert needs.autoencoder.nbytes == 100_000_000
    assert needs.mapped == 2_700_000_000 + 100_000_000, "ternary codes and float16 are copied"
    on_gpu = memory_needs(model, gpu=True)
    assert on_gpu.text_encoder.nbytes == needs.text_encoder.nbytes + 2 * 151936 * 2560


def test_packed_weights_of_a_small_transformer_are_kept_as_int8_too(tmp_path: Path) -> None:
    card = read_card(make_miniature(tmp_path / "model", seed=1))
    (card.path / "imagegen.json").write_text(
        json.dumps(
            {
                "format_version": 1,
                "components": {
                    "transformer": formats(ternary=1000),
                    "text_encoder": formats(),
                    "vae": formats(),
                },
            }
        )
    )
    needs = memory_needs(card)
    assert needs.transformer.nbytes == int(1000 * (2.125 / 8 + 1))
    assert needs.mapped == 0


def test_the_peak_is_of_one_phase_at_a_time(model: ModelCard) -> None:
    needs = memory_needs(model)
    small, large = needs.peak(512, 512), needs.peak(1024, 1024)
    assert needs.weights < small < large < needs.peak(1024, 1024, 4)
    without = needs.peak(4096, 4096, keep_text_encoder=False)
    assert needs.peak(4096, 4096) - without == needs.text_encoder.nbytes
    assert needs.peak(64, 64, keep_text_encoder=False) == needs.weights + needs.prompt, "while it encodes"
    assert needs.picture(512, 512, 1024) - needs.picture(512, 512) == 1024 * needs.token


def test_another_format_can_be_tried(model: ModelCard) -> None:
    describe(model.path)
    dense = memory_needs(model)
    assert dense.transformer.nbytes == 2 * 3_875_000_000
    assert memory_needs(model, {"transformer": "int8"}).transformer.nbytes == 3_875_000_000
    assert memory_needs(model, {"transformer": "ternary"}).transformer.nbytes == 3_875_000_000 * 2.125 / 8


def test_the_starter_is_read_from_its_headers() -> None:
    needs = memory_needs(find_model("starter"))
    assert isinstance(needs, Needs)
    assert 10_000_000 < needs.peak(256, 256) < 300_000_000


def test_what_cannot_be_read_is_named(model: ModelCard) -> None:
    (model.path / "vae" / "config.json").write_text("{")
    with pytest.raises(CheckpointInvalid, match=r"config\.json"):
        memory_needs(model)
