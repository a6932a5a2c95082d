"""Product cut-outs to paste: catalogue photos with the alpha that the plain-background segmenter is sure of.

Written once as RGBA PNGs in one npz per split, so that training reads nothing else.
"""

import io
import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagegen_postprocess.background.plain import cut_out_plain
from imagegen_postprocess.subject import Subject
from training.products import read_products

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]

SURE = 0.6  # confidence from which the plain segmenter's alpha is taken for the truth
SHARES = (0.03, 0.75)  # of the photo: less is a stud of a few pixels, more touches the border all round
SOFT = 0.35  # share of the product that may be half transparent: more is a shadow taken for product
MARGIN = 4  # pixels kept around the product


@dataclass(frozen=True)
class Foregrounds:
    """Cut-outs by number; each decodes to uint8 RGBA [h, w, 4], cropped to the product."""

    encoded: list[bytes]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> Pixels:
        picture = cv2.imdecode(np.frombuffer(self.encoded[index], np.uint8), cv2.IMREAD_UNCHANGED)
        return np.asarray(cv2.cvtColor(np.asarray(picture, np.uint8), cv2.COLOR_BGRA2RGBA), np.uint8)


def prepare_foregrounds(parquet: Path, target: Path) -> None:
    """Cut every photo of a catalogue out; write `target`/train.npz and held-out.npz (split by product)."""
    if (target / "held-out.npz").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[bytes]] = {"train": [], "held-out": []}
    for seen, product in enumerate(read_products(parquet), start=1):
        cut = sure_cut_out(product.encoded)
        if cut is not None:
            found["held-out" if product.held_out else "train"].append(_png(cut))
        if seen % 500 == 0:
            log.info("%d photos, %d kept", seen, sum(map(len, found.values())))
    for split, pictures in found.items():
        write_foregrounds(target / f"{split}.npz", pictures)


def read_foregrounds(path: Path) -> Foregrounds:
    """What `prepare_foregrounds` wrote for one split."""
    with np.load(path) as file:
        bounds = file["bounds"]
        joined = file["joined"].tobytes()
    return Foregrounds([joined[start:end] for start, end in pairwise(bounds)])


def sure_cut_out(encoded: bytes) -> Pixels | None:
    """RGBA cropped to the product, or None where the segmenter doubts."""
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    subject, note = cut_out_plain(Subject(pixels))
    if subject.alpha is None or note.detail.get("mode") != "outline":
        return None
    alpha, share = subject.alpha, float((subject.alpha > 0.5).mean())
    soft = float(((alpha > 0.05) & (alpha < 0.95)).sum()) / max(1.0, float((alpha > 0.5).sum()))
    if float(note.detail["confidence"]) < SURE or not SHARES[0] < share < SHARES[1] or soft > SOFT:  # type: ignore[arg-type]
        return None
    # A quarter of coverage, a soft shadow's rest, becomes none; the edge stays where it was.
    alpha = np.clip((alpha - 0.25) / 0.5, 0, 1)
    rows, columns = np.flatnonzero((alpha > 0.5).any(1)), np.flatnonzero((alpha > 0.5).any(0))
    top, left = max(0, rows[0] - MARGIN), max(0, columns[0] - MARGIN)
    part = np.s_[top : rows[-1] + 1 + MARGIN, left : columns[-1] + 1 + MARGIN]
    rgba = np.dstack([subject.pixels, np.rint(alpha * 255).astype(np.uint8)])[part]
    return np.ascontiguousarray(rgba)


def _png(rgba: Pixels) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1].tobytes())


def write_foregrounds(path: Path, pictures: list[bytes]) -> None:
    """Atomically write encoded cut-outs for `read_foregrounds`."""
    bounds = np.cumsum([0] + [len(picture) for picture in pictures])
    draft = path.with_suffix(".partial")
    with draft.open("wb") as stream:
        np.savez(stream, bounds=bounds, joined=np.frombuffer(b"".join(pictures), np.uint8))
    draft.replace(path)
