"""Who signs: an owner's certificate, or one that is made on this machine at first use.

A signature proves that a file was not changed since and who holds the key. Strangers trust a certificate
whose issuer they know; a local one tells its owner, and whoever was given `certificate.pem`, his own files.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen_postprocess.errors import CertificateInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

CERTIFICATE, KEY = "certificate.pem", "key.pem"
YEARS = 10
_FILES = {CERTIFICATE: 0o644, KEY: 0o600}


@dataclass(frozen=True)
class Identity:
    """A certificate with its issuers, the signer's own first, and its key, all PEM. algorithm: C2PA's name of
    the signature, as "es256"."""

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str = "es256"


def read_identity(certificate: Path, key: Path) -> Identity:
    """An owner's certificate chain and private key, both PEM, the key without a password.

    Raises CertificateInvalid (field "certificate" or "certificate_key"): a file that cannot be read or holds
    something else, a key that is not the certificate's, a certificate that has expired or signs itself (C2PA
    takes none of those).
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    chain, secret = _read(certificate, "certificate"), _read(key, "certificate_key")
    try:
        certificates = load_pem_x509_certificates(chain)
    except ValueError as error:
        raise CertificateInvalid(f"{certificate} holds no PEM certificate", field="certificate") from error
    try:
        private = load_pem_private_key(secret, None)
    except (ValueError, TypeError) as error:
        raise CertificateInvalid(
            f"{key} holds no PEM private key without a password", field="certificate_key"
        ) from error
    own = certificates[0]
    if private.public_key() != own.public_key():
        raise CertificateInvalid(f"{key} is not the key of {certificate}", field="certificate_key")
    if not own.not_valid_before_utc <= datetime.now(UTC) <= own.not_valid_after_utc:
        raise CertificateInvalid(
            f"{certificate} is valid from {own.not_valid_before_utc:%Y-%m-%d} to "
            f"{own.not_valid_after_utc:%Y-%m-%d}",
            field="certificate",
        )
    if own.issuer == own.subject:
        raise CertificateInvalid(
            f"{certificate} signs itself",
            field="certificate",
            hint="C2PA needs one that an authority issued, with its chain",
        )
    return Identity(chain, secret, _algorithm(private, certificate))


def local_identity(folder: Path) -> Identity:
    """The identity kept in `folder`, made at first use: a key that only its owner can read (mode 0600) and a
    certificate that names neither person nor machine. Raises CertificateInvalid and OSError."""
    if not folder.is_dir():
        _make(folder)
    return read_identity(folder / CERTIFICATE, folder / KEY)


def _make(folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        for name, content in _issue().items():
            file = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILES[name])
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
        with contextlib.suppress(FileExistsError):
            draft.rename(folder)  # whole, or somebody else's was first
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _issue() -> dict[str, bytes]:
    """A certificate by an authority of its own. The authority's key is forgotten: it issues no second one."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("imagegen local authority", authority_key, authority_key, authority=True)
    own = _certificate("imagegen local signer", key, authority_key, authority=False)
    pem = serialization.Encoding.PEM
    return {
        CERTIFICATE: own.public_bytes(pem) + authority.public_bytes(pem),
        KEY: key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }


def _certificate(
    name: str, key: EllipticCurvePrivateKey, issuer: EllipticCurvePrivateKey, *, authority: bool
) -> Certificate:
    """As C2PA's profile of certificates asks: usage, extended usage, key identifiers."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(common: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imagegen, a local certificate")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("imagegen local authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer, hashes.SHA256())


def _algorithm(key: PrivateKeyTypes, file: Path) -> str:
    """C2PA's name of the signature that a key makes (specification, chapter 13)."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    raise CertificateInvalid(
        f"{file} has a key that C2PA does not take",
        field="certificate",
        hint="Use ECDSA (P-256, P-384, P-521), Ed25519 or RSA from 2048 bits",
    )


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateInvalid(f"{path} cannot be read: {error.strerror}", field=field) from error
