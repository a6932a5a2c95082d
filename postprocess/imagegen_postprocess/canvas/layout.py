"""Where the product goes: pure geometry on boxes and frames, no pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True)
class Layout:
    """How a picture is resampled onto a frame.

    target: the box in the frame that the product's box will cover. source: the part of the picture to
    resample, left, top, right, bottom in fractional pixels. offset, size: where that part lands in the frame
    and how large, in pixels; this includes whatever lies around the product's box and still fits the frame.
    scale: frame pixels per picture pixel (above 1 is upscaling).
    """

    target: Box
    source: tuple[float, float, float, float]
    offset: tuple[int, int]
    size: tuple[int, int]
    scale: float


def lay_out(box: Box, picture: tuple[int, int], frame: tuple[int, int], fill: float) -> Layout:
    """Centre `box` of a picture in a frame so that it fits fill * frame in both axes and touches it in one.

    picture, frame: (width, height) in pixels. fill: 0..1. Rounded to whole pixels, at least 1, never beyond
    the frame.
    """
    scale = min(fill * frame[0] / box.width, fill * frame[1] / box.height)
    width = min(frame[0], max(1, round(box.width * scale)))
    height = min(frame[1], max(1, round(box.height * scale)))
    left, top = (frame[0] - width) // 2, (frame[1] - height) // 2
    target = Box(left, top, left + width, top + height)
    x = _axis(box.left, box.right, picture[0], target.left, target.right, frame[0])
    y = _axis(box.top, box.bottom, picture[1], target.top, target.bottom, frame[1])
    return Layout(
        target=target,
        source=(x[0], y[0], x[1], y[1]),
        offset=(x[2], y[2]),
        size=(x[3] - x[2], y[3] - y[2]),
        scale=scale,
    )


def _axis(
    start: int, stop: int, length: int, target_start: int, target_stop: int, frame: int
) -> tuple[float, float, int, int]:
    """One axis: source start and stop, and the whole frame pixels where they land."""
    scale = (target_stop - target_start) / (stop - start)
    before = min(target_start, int(start * scale))
    after = min(frame - target_stop, int((length - stop) * scale))
    source_start = max(0.0, start - before / scale)
    source_stop = min(float(length), stop + after / scale)
    return source_start, source_stop, target_start - before, target_stop + after
