"""What comes out: a picture, where it came from, and what it took."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from imagegen import __version__
from imagegen.errors import InvalidRequest, SettingsInvalid
from imagegen.request import ImageRequest
from imagegen.store.files import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagegen_postprocess import FinishReport, Identity, Preset, Recipe, SignedFile

Format = Literal["png", "jpeg", "webp"]
LEAST_QUALITY = 50
"""Below it fewer pixels look better than the same pixels in as many bytes; no preset goes there."""
FORMATS: tuple[Format, ...] = ("png", "jpeg", "webp")
_SUFFIXES: dict[str, Format] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}

# IPTC digital source types: how a picture came to be (cv.iptc.org/newscodes/digitalsourcetype). Every file
# says it in its XMP.
GENERATED = "trainedAlgorithmicMedia"
EDITED = "compositeWithTrainedAlgorithmicMedia"
RETOUCHED = "algorithmicallyEnhanced"
MADE_BY_MACHINE = (
    GENERATED,
    EDITED,
    "compositeSynthetic",
    "algorithmicMedia",
)
"""What finishing a picture does not change: a generated one stays a generated one."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who made the picture's pixels.

    `generated_width/height` are the model's pixels before finishing; None for a photo. `watermark`: the
    invisible watermark is in the picture.
    """

    digital_source_type: str
    model: str | None = None
    model_revision: str | None = None
    generated_width: int | None = None
    generated_height: int | None = None
    software: str = field(default_factory=lambda: f"imagegen {__version__}")
    watermark: bool = False
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A finished picture.

    request     as it was carried out (seed, steps and size filled in); None for a photo that was only
                finished
    timings     seconds by phase: "queue", "load" (of the model, when it was not there yet), "prompt",
                "denoise", "decode", "finish"
    recipe      how it was finished, canvas included; None when nothing was finished
    report      what each finishing step did; None when nothing was finished
    warnings    what could not be honoured in full, in words for the one who asked
    reference_tokens
                positions of the transformer that the photos which it looked at took
    exif        EXIF data for the file, as the recipe's `metadata` allows it
    identity    who signs the file; None for nobody
    parent      the signed file that it was made from, which a signed file names
    """

    picture: Image
    provenance: Provenance
    request: ImageRequest | None = None
    timings: dict[str, float] = field(default_factory=dict)
    recipe: Recipe | None = None
    report: FinishReport | None = None
    warnings: tuple[str, ...] = ()
    reference_tokens: int = 0
    exif: bytes | None = field(default=None, repr=False)
    identity: Identity | None = field(default=None, repr=False)
    parent: SignedFile | None = field(default=None, repr=False)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def seconds(self) -> float:
        """Seconds of work on this picture: neither waiting in the queue nor loading the model."""
        return sum(seconds for phase, seconds in self.timings.items() if phase not in ("queue", "load"))

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that a person should know of it: `warnings`, and what finishing says, such as that a cut-out is
        doubtful."""
        said = () if self.report is None else self.report.notes
        return tuple(dict.fromkeys((*self.warnings, *said)))

    @property
    def preset(self) -> Preset | None:
        """The marketplace that the picture was finished for."""
        from imagegen_postprocess import load_preset

        return None if self.recipe is None or self.recipe.preset is None else load_preset(self.recipe.preset)

    @property
    def own_format(self) -> Format:
        """The format of its file when none is asked for: the preset's, or png."""
        preset = self.preset
        if preset is None:
            return "png"
        return cast("Format", preset.format_for("transparent" if self.picture.mode == "RGBA" else "white"))

    def encode(self, format: Format | None = None, *, quality: int = 90) -> bytes:
        """The picture as a file with an sRGB profile, its digital source type and, with an identity, signed.

        format: the preset's, or png, unless given. quality: 1..100 for jpeg and webp; what a preset's
        marketplace limits in bytes gets the highest quality up to this one that fits. Raises InvalidRequest:
        a transparent JPEG, a format that the marketplace does not take, a file that cannot be small enough.
        """
        from imagegen_postprocess import CertificateInvalid, FinishingError, encode, encode_within

        preset, origin = self.preset, self.provenance.digital_source_type
        try:
            chosen = format or self.own_format
            if preset is None:
                file = encode(self.picture, chosen, quality, source_type=origin, exif=self.exif)
                return self._seal(file, chosen)
            if chosen not in preset.formats:
                raise InvalidRequest(
                    f"{preset.name} does not take {chosen}",
                    field="format",
                    hint=f"take {' or '.join(preset.formats)}",
                )
            least = preset.min_quality or LEAST_QUALITY
            return encode_within(
                self.picture,
                chosen,
                preset.max_bytes,
                max(quality, least),
                least,
                source_type=origin,
                exif=self.exif,
                seal=lambda file: self._seal(file, chosen),
            )
        except CertificateInvalid as error:
            raise SettingsInvalid(error.message, field=error.field, hint=error.hint) from error
        except FinishingError as error:
            raise InvalidRequest(error.message, field=error.field or "format", hint=error.hint) from error

    def _seal(self, file: bytes, format: str) -> bytes:
        """The file, signed last: nothing may be written into it afterwards."""
        if self.identity is None:
            return file
        from imagegen_postprocess import sign

        made = self.provenance
        return sign(
            file,
            format,
            self.identity,
            source_type=made.digital_source_type,
            software=made.software,
            parent=self.parent,
        )

    def save(self, path: str | Path, format: Format | None = None) -> Path:
        """Writes the picture to `path` in one move (never half a file) and returns it.

        The format is the suffix's (.png, .jpg, .jpeg, .webp) unless given. Raises OutputNotWritable, and
        InvalidRequest as `encode` does.
        """
        path = Path(path)
        write_atomically(path, self.encode(format or format_of(path)))
        return path

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON."""
        return {
            "id": self.id,
            "width": self.picture.width,
            "height": self.picture.height,
            "request": None if self.request is None else self.request.to_dict(),
            "provenance": asdict(self.provenance),
            "timings": {phase: round(seconds, 4) for phase, seconds in self.timings.items()},
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "report": None if self.report is None else self.report.to_dict(),
            "warnings": list(self.warnings),
        }


def format_of(path: str | Path) -> Format:
    """The format a file name asks for. Raises InvalidRequest(field="output") for a suffix we do not write."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InvalidRequest(
            f"cannot tell a picture format from {Path(path).name!r}",
            field="output",
            hint="end the name in .png, .jpg or .webp",
        )
    return _SUFFIXES[suffix]
