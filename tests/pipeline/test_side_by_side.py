from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from imagegen.pipeline.side_by_side import SEEDS, psnr_db, write_sheet
from imagegen.weights.catalog import read_card


def test_a_sheet_has_a_row_of_each_model(
    tiny_checkpoint: Path, packed_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "sheet.png"
    pairs = write_sheet(read_card(tiny_checkpoint), read_card(packed_checkpoint), "a cap", path)
    assert [pair["seed"] for pair in pairs] == list(SEEDS)
    with Image.open(path) as sheet:
        assert sheet.size == (3 * 64, 2 * 64)
        pixels = np.asarray(sheet)
    first = psnr_db(pixels[:64, :64], pixels[64:, :64])
    assert round(first, 2) == pairs[0]["psnr_db"]
    assert first < 99


def test_equal_pictures_are_as_close_as_can_be() -> None:
    picture = np.full((4, 4, 3), 7, np.uint8)
    assert psnr_db(picture, picture) == 99
    assert psnr_db(picture, picture + np.uint8(1)) > psnr_db(picture, picture + np.uint8(9))
