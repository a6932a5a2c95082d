"""What int8 does to the bundled model's pictures: docs/decisions/021-int8-decoder.md."""

from __future__ import annotations

import pytest
import torch

from imagegen.networks.quantized_conv import QuantizedConv
from imagegen.pipeline.side_by_side import psnr_db
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import find_model
from imagegen.weights.load import load_components


@pytest.mark.parametrize("prompt", ["white casual shoe", "red handbag"])
def test_a_picture_stays_within_40_db_of_float32(prompt: str) -> None:
    card = find_model("starter")
    quick, exact = (load_components(card, "cpu", dtype) for dtype in (None, torch.float32))
    if not any(isinstance(module, QuantizedConv) for module in quick.autoencoder.modules()):
        pytest.skip("this CPU has neither VNNI nor AVX2: the decoder is not quantised")
    one, other = (
        TextToImage(components).generate([prompt], [5], 256, 256, 4).pictures[0].picture
        for components in (quick, exact)
    )
    assert 40 < psnr_db(one, other) < 99
