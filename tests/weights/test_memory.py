from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imagegen.weights import memory
from imagegen.weights.catalog import read_card
from imagegen.weights.memory import memory_needed
from tests.miniature import make_miniature


def test_the_bound_is_that_of_the_kernels() -> None:
    from imagegen_kernels.matmul import cpu

    assert memory._KEPT_CODES == cpu.KEPT_CODES


def test_packed_weights_of_a_large_transformer_stay_packed(tmp_path: Path) -> None:
    card = read_card(make_miniature(tmp_path / "model", seed=1))
    config = card.path / "transformer" / "config.json"
    dense: dict[str, Any] = {"bytes": 0, "weights": 0, "formats": {}}
    ternary = {"bytes": 0, "weights": 10**9, "formats": {"ternary": {"weights": 10**9, "bytes": 0}}}
    components = {"transformer": ternary, "text_encoder": dense, "vae": dense}
    small = memory_needed(card, components, 64, 64)
    assert small > 10**9, "codes of a small model are kept as int8 beside the packed ones"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_attention_heads": 2000}))
    without = memory_needed(card, {**components, "transformer": dense}, 64, 64)
    assert memory_needed(card, components, 64, 64) - without == 10**9 * 2.125 / 8
