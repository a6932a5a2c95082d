"""Who signs the files of this machine: the owner's certificate, or one that lies in data_dir."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imagegen.errors import OutputNotWritable, SettingsInvalid

if TYPE_CHECKING:
    from imagegen_postprocess import Identity

FOLDER = "content-credentials"
"""The folder in data_dir that holds this machine's own certificate and key."""


def find_identity(
    data_dir: Path, certificate: Path | None, key: Path | None, *, sign: bool
) -> Identity | None:
    """The certificate that was given, with its key; else, to sign all the same, this machine's own, made at
    first use. None to sign nothing. Raises SettingsInvalid and OutputNotWritable."""
    if not sign and certificate is None and key is None:
        return None
    from imagegen_postprocess import CertificateInvalid, local_identity, read_identity

    try:
        if certificate is not None and key is not None:
            return read_identity(certificate, key)
        if certificate is not None or key is not None:
            field = "certificate_key" if key is None else "certificate"
            raise SettingsInvalid("is missing", field=field, hint="give certificate and certificate_key")
        return local_identity(data_dir / FOLDER)
    except CertificateInvalid as error:
        raise SettingsInvalid(error.message, field=error.field, hint=error.hint) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputNotWritable(f"cannot keep a certificate: {reason}", field=str(data_dir)) from error


def known_certificates(data_dir: Path, certificate: Path | None) -> bytes:
    """PEM certificates whose signatures this machine trusts: its owner's and its own; empty without any."""
    found = b""
    for path in (certificate, data_dir / FOLDER / "certificate.pem"):
        if path is not None and path.is_file():
            found += path.read_bytes() + b"\n"
    return found
