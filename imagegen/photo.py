"""A picture file that a request brings along: to start from, or to look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from imagegen.errors import InputFileInvalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 32 << 20
MIN_SIDE = 64  # pixels; this and the shape are what FLUX.2 takes
MAX_SHAPE = 8


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture file, known by its content.

    id       SHA-256 of the file in hex: all that a job's record or an artifact tells of it.
    name     how messages call it: the field or the file that it came from.
    data     the file itself; None in a record, which does not hold it.
    """

    id: str
    name: str = field(default="image", compare=False)
    data: bytes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, source: bytes | str | Path, name: str | None = None) -> Self:
        """The photo of a file or its bytes. Raises InputFileInvalid for one that cannot be read, is empty or
        has more than 32 MiB; whether it is a picture shows later."""
        name = name or ("image" if isinstance(source, bytes) else str(source))
        try:
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
        except OSError as error:
            raise InputFileInvalid(f"cannot be read: {error.strerror}", field=name) from error
        if not data:
            raise InputFileInvalid("is empty (0 bytes)", field=name)
        if len(data) > MAX_BYTES:
            raise InputFileInvalid(f"has more than {MAX_BYTES >> 20} MiB", field=name)
        return cls(hashlib.sha256(data).hexdigest(), name, data)

    def without_data(self) -> Self:
        """As a record has it."""
        return replace(self, data=None)

    def pixels(self) -> NDArray[np.uint8]:
        """What it shows: uint8 [H, W, 3], upright, in sRGB, on white where it is transparent; more than 16
        megapixels are reduced.

        Raises InputFileInvalid for what is no picture, is damaged, too small, too large or longer than 8
        times its width.
        """
        import numpy as np

        from imagegen_postprocess import FinishingError, open_picture
        from imagegen_postprocess.intake import take_in

        if self.data is None:
            raise InputFileInvalid("the picture is not there any more", field=self.name)
        try:
            taken, _ = take_in(open_picture(self.data, name="the file"))
        except FinishingError as error:
            raise InputFileInvalid(error.message, field=self.name, hint=error.hint) from error
        shape = f"the picture has {taken.width}x{taken.height} pixels"
        if min(taken.width, taken.height) < MIN_SIDE:
            raise InputFileInvalid(shape, field=self.name, hint=f"each side needs at least {MIN_SIDE}")
        if max(taken.width, taken.height) > MAX_SHAPE * min(taken.width, taken.height):
            raise InputFileInvalid(
                shape, field=self.name, hint=f"one side may be {MAX_SHAPE} times the other at most"
            )
        if taken.alpha is None:
            return taken.pixels
        cover = taken.alpha[..., None]
        blended: NDArray[np.uint8] = np.rint(taken.pixels * cover + 255 * (1 - cover)).astype(np.uint8)
        return blended
