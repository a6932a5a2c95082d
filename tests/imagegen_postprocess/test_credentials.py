"""Content Credentials: signed offline, read back by c2pa itself, exiftool and Pillow."""

from __future__ import annotations

import io
import json
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from imagegen_postprocess import (
    CertificateInvalid,
    Identity,
    encode,
    local_identity,
    open_picture,
    origin_of,
    read_credentials,
    read_identity,
    sign,
)

SOURCE, SOFTWARE = "trainedAlgorithmicMedia", "imagegen 9.9.9"
FORMATS = ("png", "jpeg", "webp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "credentials"
    local_identity(folder)
    return folder


@pytest.fixture(scope="module")
def identity(folder: Path) -> Identity:
    return local_identity(folder)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)


def signed(format: str, identity: Identity) -> bytes:
    file = encode(Image.new("RGB", (64, 48), (30, 90, 200)), format, source_type=SOURCE)
    return sign(file, format, identity, source_type=SOURCE, software=SOFTWARE)


@pytest.mark.parametrize("format", FORMATS)
def test_a_signed_file_is_read_back(format: str, identity: Identity) -> None:
    file = signed(format, identity)
    found = read_credentials(file, format)
    assert found is not None
    assert (found.state, found.software, found.source_types) == ("valid", SOFTWARE, (SOURCE,))
    assert "local" in (found.signer or "")
    assert found.problems == ()
    trusting = read_credentials(file, format, identity.chain)
    assert trusting is not None
    assert trusting.state == "trusted"


@pytest.mark.parametrize("format", FORMATS)
def test_xmp_and_profile_survive_signing_and_the_pixels_do_not_change(
    format: str, identity: Identity
) -> None:
    plain = open_picture(encode(Image.new("RGB", (64, 48), (30, 90, 200)), format, source_type=SOURCE))
    picture = open_picture(signed(format, identity))
    assert origin_of(picture) == SOURCE
    assert picture.info["icc_profile"] == plain.info["icc_profile"]
    assert picture.tobytes() == plain.tobytes()


@pytest.mark.parametrize("format", FORMATS)
def test_exiftool_reads_source_type_and_manifest(format: str, identity: Identity, tmp_path: Path) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    file = tmp_path / f"signed.{format}"
    file.write_bytes(signed(format, identity))
    command = [exiftool, "-json", "-G1", "-a", "-ee", str(file)]
    (told,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["XMP-iptcExt:DigitalSourceType"].endswith(f"/{SOURCE}")
    if format != "webp":  # exiftool 12 knows no C2PA chunk in WebP
        assert "c2pa" in json.dumps(told).lower()


@pytest.mark.parametrize("format", FORMATS)
def test_a_changed_file_is_no_longer_valid(format: str, identity: Identity) -> None:
    file = bytearray(signed(format, identity))
    place = {"png": b"IDAT", "jpeg": b"\xff\xda", "webp": b"VP8 "}[format]
    file[file.index(place) + 24] ^= 1
    found = read_credentials(bytes(file), format)
    assert found is not None
    assert found.state == "invalid"
    assert found.problems


def test_a_file_without_a_manifest_has_no_credentials(identity: Identity) -> None:
    for format in FORMATS:
        assert read_credentials(encode(Image.new("RGB", (32, 32)), format), format) is None
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "bmp")
    assert read_credentials(buffer.getvalue(), "bmp") is None


def test_the_local_key_is_made_once_and_only_its_owner_can_read_it(folder: Path) -> None:
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert local_identity(folder) == local_identity(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["credentials"]
    assert b"PRIVATE KEY" not in repr(local_identity(folder)).encode()


def test_what_cannot_sign_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    stranger = local_identity(tmp_path / "other")
    (tmp_path / "other.pem").write_bytes(stranger.key)
    (tmp_path / "junk.pem").write_text("junk")
    authority = certificate.read_bytes().partition(b"-----END CERTIFICATE-----\n")[2]
    (tmp_path / "authority.pem").write_bytes(authority)
    for pair, field in (
        ((tmp_path / "missing.pem", key), "certificate"),
        ((tmp_path / "junk.pem", key), "certificate"),
        ((certificate, tmp_path / "junk.pem"), "certificate_key"),
        ((certificate, tmp_path / "other.pem"), "certificate_key"),
        ((tmp_path / "authority.pem", key), "certificate_key"),
    ):
        with pytest.raises(CertificateInvalid) as refusal:
            read_identity(*pair)
        assert refusal.value.field == field
