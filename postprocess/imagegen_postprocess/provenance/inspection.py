"""Everything that a picture file says of itself, and what the detector sees in its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagegen_postprocess.provenance.credentials import Credentials, read_credentials
from imagegen_postprocess.provenance.file_facts import FileFacts, read_file
from imagegen_postprocess.provenance.watermark import Watermark, detect_watermark


@dataclass(frozen=True)
class Inspection:
    """credentials: the C2PA manifest, checked; None without one. watermark: our own."""

    facts: FileFacts
    credentials: Credentials | None
    watermark: Watermark

    def to_dict(self) -> dict[str, Any]:
        credentials = None if self.credentials is None else self.credentials.to_dict()
        return {
            **self.facts.to_dict(),
            "credentials": credentials,
            "watermark": self.watermark.to_dict(),
        }


def inspect_file(data: bytes, name: str, anchors: bytes = b"") -> Inspection:
    """Look into a picture file. anchors: PEM certificates whose signatures are trusted. Takes about half a
    second a megapixel for the watermark. Raises PictureInvalid for what is no picture."""
    picture, facts = read_file(data, name)
    return Inspection(facts, read_credentials(data, facts.format, anchors), detect_watermark(picture))
