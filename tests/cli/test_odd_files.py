"""Broken and unusual files through `imagegen cutout` and `imagegen finish`: a result or a clear no."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Imagegen = Callable[..., Any]

WIDTH, HEIGHT = 120, 90
PRODUCT = (40, 25, 80, 65)
INSIDE, OUTSIDE = (60, 45), (5, 5)


def photo(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (236, 236, 232))
    picture.paste((40, 60, 160), PRODUCT)
    return picture.convert(mode)


def half(path: Path) -> None:
    photo().save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:400])


def too_large(path: Path) -> None:
    """A PNG whose header says 10,001 x 10,001: refused before it is unpacked."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10_001, 10_001, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def sixteen_bits(path: Path) -> None:
    grey = np.full((HEIGHT, WIDTH), 60_000, np.uint16)
    grey[25:65, 40:80] = 9_000
    Image.fromarray(grey).save(path, "PNG")


def animated(path: Path) -> None:
    photo("P").save(path, "GIF", save_all=True, append_images=[photo("P").rotate(90)], duration=100)


def lying(path: Path) -> None:
    """Stored on its side, as a phone does, with the turn in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", quality=95, exif=exif)


def cut_already(path: Path) -> None:
    picture = photo("RGBA")
    alpha = Image.new("L", picture.size, 0)
    alpha.paste(255, PRODUCT)
    picture.putalpha(alpha)
    picture.save(path, "PNG")


BROKEN: dict[str, Callable[[Path], object]] = {
    "truncated.jpg": half,
    "empty.jpg": lambda path: path.write_bytes(b""),
    "letter.png": lambda path: path.write_text("Dear customer"),
    "huge.png": too_large,
}
EMPTY: dict[str, Callable[[Path], object]] = {
    "white.png": lambda path: Image.new("RGB", (WIDTH, HEIGHT), "white").save(path),
    "paper.jpg": lambda path: Image.new("L", (WIDTH, HEIGHT), 200).save(path),
}
ODD: dict[str, Callable[[Path], object]] = {
    "cmyk.jpg": lambda path: photo("CMYK").save(path, "JPEG", quality=95),
    "sixteen.png": sixteen_bits,
    "palette.png": lambda path: photo("P").save(path, "PNG"),
    "grey.jpg": lambda path: photo("L").save(path, "JPEG", quality=95),
    "animated.gif": animated,
    "lying.jpg": lying,
    "alpha.png": cut_already,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for name, write in (BROKEN | EMPTY | ODD).items():
        write(folder / name)
    return folder


def test_odd_files_are_cut_out_at_their_size_and_broken_ones_named(
    imagegen: Imagegen, files: Path, tmp_path: Path
) -> None:
    ended = imagegen("cutout", *sorted(files.iterdir()), "--out", tmp_path / "out", "--json")
    assert ended.code == 11
    result = ended.json()
    failed = {Path(entry["source"]).name: entry["error"] for entry in result["failed"]}
    assert failed.keys() == BROKEN.keys() | EMPTY.keys()
    for name, error in failed.items():
        assert error["field"] == str(files / name)
        assert error["message"]
    written = {path.stem: path for path in (tmp_path / "out").iterdir()}
    assert written.keys() == {Path(name).stem for name in ODD}
    for stem, path in written.items():
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("RGBA", (WIDTH, HEIGHT)), stem
            assert picture.getpixel(INSIDE)[3] == 255, stem  # type: ignore[index]
            assert picture.getpixel(OUTSIDE)[3] == 0, stem  # type: ignore[index]


def test_odd_files_are_finished_and_broken_ones_named(
    imagegen: Imagegen, files: Path, tmp_path: Path
) -> None:
    sources = sorted(files / name for name in BROKEN | ODD)
    ended = imagegen("finish", *sources, "--out", tmp_path / "out", "--size", "128x128", "--json")
    assert ended.code == 11
    failed = {Path(entry["source"]).name: entry["error"] for entry in ended.json()["failed"]}
    assert failed.keys() == BROKEN.keys()
    assert all(error["field"] == str(files / name) for name, error in failed.items())
    for name in ODD:
        with Image.open(tmp_path / "out" / f"{Path(name).stem}.png") as picture:
            assert picture.size == (128, 128), name
            pixels = np.asarray(picture.convert("L"))
            assert pixels[0, 0] == 255, name
            assert pixels[64, 64] < 128, name


@pytest.mark.parametrize("command", ["cutout", "finish"])
@pytest.mark.parametrize("name", BROKEN)
def test_alone_a_broken_file_leaves_nothing_behind(
    imagegen: Imagegen, files: Path, tmp_path: Path, command: str, name: str
) -> None:
    ended = imagegen(command, files / name, "--out", tmp_path / "out")
    assert ended.code != 0
    assert name in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
