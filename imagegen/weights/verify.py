"""Whether a checkpoint's files are the ones it was published with; asked for by the owner, never at a start
(4B take a minute)."""

from __future__ import annotations

from imagegen.errors import CheckpointInvalid
from imagegen.weights.catalog import ModelCard
from imagegen.weights.locate import COPY_AGAIN, read_json
from imagegen.weights.manifest import sha256


def verify(card: ModelCard) -> tuple[str, ...]:
    """Compare every file that imagegen.json lists in weights_sha256 with its hash; the files checked,
    relative to the model.

    Raises CheckpointInvalid naming the file that differs, is missing or lies outside, or that there are no
    hashes to compare with.
    """
    own_file = card.path / "imagegen.json"
    hashes = read_json(own_file).get("weights_sha256")
    if not isinstance(hashes, dict) or not hashes:
        raise CheckpointInvalid("has no weights_sha256 to compare with", field=str(own_file))
    for name, expected in hashes.items():
        path = card.path / name
        if not path.resolve().is_relative_to(card.path.resolve()):
            raise CheckpointInvalid(f"weights_sha256 names {name}, outside of the model", field=str(own_file))
        try:
            found = sha256(path)
        except OSError as error:
            raise CheckpointInvalid(
                f"cannot be read: {error.strerror}", field=str(path), hint=COPY_AGAIN
            ) from error
        if found != expected:
            raise CheckpointInvalid(f"has sha256 {found}, not {expected}", field=str(path), hint=COPY_AGAIN)
    return tuple(hashes)
