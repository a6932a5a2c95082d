"""Finished files show the same colours wherever they are opened: Pillow, OpenCV and a browser."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from imagegen_postprocess import Recipe, encode, finish
from tests.imagegen_postprocess.drawn import bag, photograph

READ = """async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", {colorSpace: "srgb"});
    context.drawImage(image, 0, 0);
    return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
}"""


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_pillow_opencv_and_chromium_show_the_same_colours(browser: Browser, format: str) -> None:
    photo = photograph(bag(96, (30, 90, 160)), (236, 230, 220), noise=1)
    made = finish(photo, Recipe(background="#f4e8d0", width=96, height=96)).picture
    data = encode(made, format, source_type="algorithmicallyEnhanced")
    with Image.open(io.BytesIO(data)) as opened:
        pillow = np.asarray(opened.convert("RGB"), np.int16)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    opencv = decoded[..., ::-1].astype(np.int16)
    page = browser.new_page()
    try:
        source = f"data:image/{format};base64,{base64.b64encode(data).decode()}"
        shown = page.evaluate(READ, source)
    finally:
        page.close()
    chromium = np.array(shown, np.int16).reshape(96, 96, 4)[..., :3]
    most = {"png": 0, "jpeg": 3, "webp": 6}[format]  # decoders round the way from YCbCr in their own ways
    for other in (opencv, chromium):
        assert np.abs(pillow - other).max() <= most
        assert np.abs(pillow - other).mean() <= 0.5
    rounded = {"png": 0, "jpeg": 1, "webp": 2}[format]  # libwebp's YCbCr spans 220 levels of luma
    assert np.abs(pillow[2, 2] - (0xF4, 0xE8, 0xD0)).max() <= rounded
