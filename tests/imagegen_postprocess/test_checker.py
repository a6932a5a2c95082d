"""The checker measures what is there: limits are exact, and what is finished for a preset passes it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from imagegen_postprocess import (
    CheckReport,
    PictureInvalid,
    Preset,
    Recipe,
    check,
    encode,
    encode_within,
    finish,
    load_preset,
    preset_names,
)
from imagegen_postprocess.marketplaces.preset import Limit
from tests.imagegen_postprocess.drawn import bag, photograph, shoe, watch

PHOTOS = {
    "a bag on warm grey": photograph(bag(320), (226, 220, 208), noise=1.5, shadow=0.2),
    "a white shoe on light blue": photograph(shoe(320), (190, 205, 225), noise=1.0),
    "a watch on white": photograph(watch(320), noise=1.0),
}
SMALL = 640  # pixels; presets are finished at their full size once, by one photo


def status_of(report: CheckReport, measure: str) -> list[str]:
    return [finding.status for finding in report.findings if finding.limit.measure == measure]


def held_to(limit: Limit, data: bytes, name: str = "picture.jpg") -> Any:
    preset = replace(load_preset("ebay"), limits=(limit,))
    (finding,) = check(data, preset, name).findings
    return finding


def limit(measure: str, comparison: Any, bound: Any) -> Limit:
    return Limit(measure, comparison, bound, "required", "A", ("https://example.com",))


def drawing(size: tuple[int, int] = (200, 200), box: tuple[int, int, int, int] = (20, 40, 180, 160)) -> Any:
    picture = Image.new("RGB", size, "white")
    picture.paste((40, 60, 160), box)
    return picture


def finished(photo: Image.Image, preset: Preset, scale: float = 1.0) -> tuple[bytes, str]:
    """The file of a photo finished for a preset on `scale` of its canvas, and its name."""
    size = {"width": round(preset.width * scale), "height": round(preset.height * scale)}
    recipe = Recipe.from_dict({"preset": preset.name, **size})
    picture = finish(photo, recipe).picture
    least = preset.min_quality or 50
    data = encode_within(picture, preset.format, preset.max_bytes, 90, least)
    return data, "".join(preset.file_name("7891234567895", preset.format))


@pytest.mark.parametrize("name", preset_names())
def test_what_is_finished_for_a_preset_passes_it_and_an_independent_measurement(name: str) -> None:
    preset = load_preset(name)
    photo = PHOTOS[list(PHOTOS)[preset_names().index(name) % len(PHOTOS)]]
    data, file_name = finished(photo, preset)
    report = check(data, preset, file_name)
    assert report.passed
    # A drawn product is as even as a badge; real ones seldom are (benchmarks/bench_overlays.py).
    assert {finding.limit.measure for finding in report.having("warn")} <= {"overlays"}
    assert {finding.limit.measure for finding in report.having("unknown")} <= {
        "overlays",
        "generated",
        "source_type",
    }
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == preset.format.upper()
        assert picture.size == (preset.width, preset.height)
        assert "icc_profile" in picture.info
        pixels = np.asarray(picture.convert("RGB"))
    assert preset.max_bytes is None or len(data) <= preset.max_bytes
    edge = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)])
    assert edge.min() >= 254
    assert abs(measured_fill(pixels) - preset.fill) < 0.01


def measured_fill(pixels: npt.NDArray[np.uint8]) -> float:
    """By rows and columns with at least three pixels that are clearly not white: no ring, no parts."""
    dark = pixels.min(axis=-1) < 230
    rows, columns = (np.flatnonzero(dark.sum(axis=axis) >= 3) for axis in (1, 0))
    down, across = (int(lines[-1] - lines[0] + 1) for lines in (rows, columns))
    return float(max(down / pixels.shape[0], across / pixels.shape[1]))


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("name", ["amazon", "mercadolivre", "google"])
def test_the_strictest_fills_are_met_by_every_photo(name: str, photo: str) -> None:
    preset = load_preset(name)
    scale = SMALL / preset.width
    data, file_name = finished(PHOTOS[photo], preset, scale)
    report = check(data, preset, file_name)
    assert set(status_of(report, "fill")) == {"pass"}
    assert set(status_of(report, "background")) <= {"pass"}


def test_one_picture_cannot_serve_mercado_livre_and_google() -> None:
    data, name = finished(PHOTOS["a bag on warm grey"], load_preset("mercadolivre"), SMALL / 1200)
    assert status_of(check(data, load_preset("google"), name), "fill") == ["pass", "warn"]


@pytest.mark.parametrize(
    ("measure", "size"),
    [
        ("width", 200),
        ("height", 100),
        ("longer_side", 200),
        ("shorter_side", 100),
        ("width_plus_height", 300),
        ("pixels", 20_000),
        ("aspect", 2.0),
    ],
)
def test_size_limits_are_exact(measure: str, size: float) -> None:
    data = encode(drawing((200, 100), (20, 20, 180, 80)), "png")
    for comparison, over in (("at_least", size * 1.005), ("at_most", size * 0.995)):
        assert held_to(limit(measure, comparison, size), data).status == "pass"
        finding = held_to(limit(measure, comparison, over), data)
        assert (finding.status, finding.value) == ("fail", size)
        assert finding.fix


def test_the_byte_limit_is_exact() -> None:
    data = encode(drawing(), "png")
    assert held_to(limit("bytes", "at_most", len(data)), data).status == "pass"
    assert held_to(limit("bytes", "at_most", len(data) - 1), data).status == "fail"
    assert held_to(limit("bytes", "at_most", len(data)), data + b"\0").status == "fail"


def test_an_advised_limit_warns() -> None:
    advised = replace(limit("width", "at_least", 500), level="advised")
    assert held_to(advised, encode(drawing(), "png")).status == "warn"


@pytest.mark.parametrize(
    ("background", "status"),
    [("#ffffff", "pass"), ("#fefefe", "pass"), ("#fdfdfd", "fail"), ("#f8f8f8", "fail"), ("#fff8ff", "fail")],
)
def test_white_is_white(background: str, status: str) -> None:
    picture = Image.new("RGB", (200, 200), background)
    picture.paste((40, 60, 160), (20, 40, 180, 160))
    finding = held_to(limit("background", "equals", "#ffffff"), encode(picture, "png"))
    assert finding.status == status
    assert finding.value == (background if status == "fail" else "#ffffff")


def test_a_transparent_background_is_not_white() -> None:
    picture = drawing().convert("RGBA")
    picture.putalpha(picture.convert("L").point(lambda value: 255 if value < 250 else 0))
    data = encode(picture, "png")
    finding = held_to(limit("background", "equals", "#ffffff"), data)
    assert (finding.status, finding.value) == ("fail", "transparent")
    assert held_to(limit("fill", "at_least", 0.8), data).value == 0.8


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_fill_is_the_products_box(format: str) -> None:
    finding = held_to(limit("fill", "at_least", 0.5), encode(drawing(), format))
    assert finding.value == pytest.approx(0.8, abs=0.011)  # a lossy file's edges ring by a pixel
    assert held_to(limit("fill", "at_most", 0.7), encode(drawing(), format)).status == "fail"


def test_on_a_busy_background_fill_is_unknown() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (200, 200, 3), np.uint8)
    data = encode(Image.fromarray(noise), "png")
    assert held_to(limit("fill", "at_least", 0.5), data).status == "unknown"
    assert held_to(limit("background", "equals", "#ffffff"), data).status == "fail"
    assert held_to(limit("overlays", "equals", False), data).status == "unknown"


def test_an_empty_picture_has_no_product() -> None:
    finding = held_to(limit("fill", "at_least", 0.5), encode(Image.new("RGB", (64, 64), "white"), "png"))
    assert (finding.status, finding.value) == ("fail", 0)


def test_a_text_beside_the_product_is_a_warning_and_never_more() -> None:
    picture = drawing((400, 400), (60, 120, 340, 360))
    grain = np.random.default_rng(2).integers(30, 70, (240, 280, 3), np.uint8)
    picture.paste(Image.fromarray(grain), (60, 120))
    assert held_to(limit("overlays", "equals", False), encode(picture, "png")).status == "unknown"
    ImageDraw.Draw(picture).text((40, 40), "SALE 50 %", fill="red", font_size=32)
    finding = held_to(limit("overlays", "equals", False), encode(picture, "jpeg"))
    assert (finding.status, finding.value > 4) == ("warn", True)


@pytest.mark.parametrize(("width", "found"), [(0, False), (1, True), (4, True)])
def test_a_border_is_seen(width: int, found: bool) -> None:
    picture = drawing()
    if width:
        ImageDraw.Draw(picture).rectangle((0, 0, 199, 199), outline="black", width=width)
    finding = held_to(limit("border", "equals", False), encode(picture, "png"))
    assert (finding.value, finding.status) == (found, "warn" if found else "pass")


@pytest.mark.parametrize("quality", [50, 75, 89, 90, 100])
def test_jpeg_quality_is_read_from_the_tables(quality: int) -> None:
    finding = held_to(limit("jpeg_quality", "at_least", 90), encode(drawing(), "jpeg", quality))
    assert (finding.value, finding.status) == (quality, "pass" if quality >= 90 else "fail")
    assert held_to(limit("jpeg_quality", "at_least", 90), encode(drawing(), "png")).status == "pass"


@pytest.mark.parametrize(
    ("name", "status"), [("a.png", "pass"), ("a.PNG", "pass"), ("a.jpg", "fail"), ("a", "fail")]
)
def test_the_suffix_says_the_format(name: str, status: str) -> None:
    assert held_to(limit("extension", "equals", True), encode(drawing(), "png"), name).status == status


def test_format_colour_space_and_animation() -> None:
    buffer = io.BytesIO()
    drawing().save(buffer, "gif", save_all=True, append_images=[Image.new("RGB", (200, 200), "red")])
    moving = buffer.getvalue()
    assert held_to(limit("animated", "equals", False), moving).status == "fail"
    assert held_to(limit("format", "one_of", ("jpeg", "png")), moving).value == "gif"
    assert held_to(limit("animated", "equals", False), encode(drawing(), "webp")).status == "pass"
    buffer = io.BytesIO()
    drawing().convert("CMYK").save(buffer, "jpeg")
    finding = held_to(limit("colour_space", "one_of", ("sRGB",)), buffer.getvalue())
    assert (finding.status, finding.value) == ("fail", "CMYK")
    assert held_to(limit("colour_space", "one_of", ("sRGB",)), encode(drawing(), "png")).value == "sRGB"


def test_a_turned_photo_is_measured_as_it_is_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    drawing((200, 100), (20, 20, 180, 80)).save(buffer, "jpeg", exif=exif)
    assert held_to(limit("width", "equals", 100), buffer.getvalue()).status == "pass"


def marked(kind: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><e:DigitalSourceType>'
        f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"
        "</e:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    buffer = io.BytesIO()
    drawing().save(buffer, "jpeg", xmp=packet.encode())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "etsy", "google"),
    [
        ("trainedAlgorithmicMedia", "warn", "pass"),
        ("algorithmicMedia", "warn", "fail"),
        ("algorithmicallyEnhanced", "pass", "pass"),
    ],
)
def test_generated_pictures_are_known_by_their_mark(kind: str, etsy: str, google: str) -> None:
    assert status_of(check(marked(kind), load_preset("etsy"), "a.jpg"), "generated") == [etsy]
    assert status_of(check(marked(kind), load_preset("google"), "a.jpg"), "source_type") == [google]


def test_without_a_mark_nothing_is_said() -> None:
    data = encode(drawing(), "jpeg")
    assert status_of(check(data, load_preset("etsy"), "a.jpg"), "generated") == ["unknown"]
    assert status_of(check(data, load_preset("google"), "a.jpg"), "source_type") == ["unknown"]


@pytest.mark.parametrize("data", [b"", b"no picture", encode(drawing(), "png")[:200]])
def test_what_is_no_picture_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(PictureInvalid, match=r"bad\.png"):
        check(data, load_preset("ebay"), "bad.png")


def test_the_report_is_json_with_a_source_for_every_required_limit() -> None:
    report = check(encode(drawing(), "jpeg"), load_preset("amazon"), "a.jpg").to_dict()
    assert (report["verdict"], report["preset"]) == ("fail", "amazon")
    for finding in report["findings"]:
        assert finding["level"] == "advised" or finding["sources"]
        assert bool(finding["fix"]) == (finding["status"] in ("warn", "fail"))
