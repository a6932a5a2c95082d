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
    SignedFile,
    encode,
    local_identity,
    open_picture,
    origin_of,
    read_credentials,
    read_identity,
    sign,
    signed_file_of,
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


def finished(photo: bytes, format: str, identity: Identity) -> bytes:
    """What finishing makes of a photo, without the finishing."""
    picture = open_picture(photo)
    file = encode(picture.convert("RGB").rotate(180), format, source_type=SOURCE)
    parent = signed_file_of(picture)
    return sign(file, format, identity, source_type=SOURCE, software=SOFTWARE, parent=parent)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
def test_the_manifest_of_the_photo_becomes_an_ingredient(
    before: str, format: str, identity: Identity
) -> None:
    import c2pa

    photo = encode(Image.new("RGB", (64, 48), (30, 90, 200)), before, source_type=SOURCE)
    photo = sign(photo, before, identity, source_type="digitalCapture", software="camera 1.2")
    file = finished(photo, format, identity)
    with c2pa.Reader(f"image/{format}", io.BytesIO(file)) as reader:  # with none of our own settings
        told, state = json.loads(reader.json()), reader.get_validation_state()
    active = told["manifests"][told["active_manifest"]]
    (ingredient,) = active["ingredients"]
    parent = told["manifests"][ingredient["active_manifest"]]
    assert state == "Valid"
    assert ingredient["relationship"] == "parentOf"
    assert parent["claim_generator_info"][0]["name"] == "camera"
    actions = [action["action"] for each in active["assertions"] for action in each["data"]["actions"]]
    assert actions == ["c2pa.opened", "c2pa.edited"]
    found = read_credentials(file, format, identity.chain)
    assert found is not None
    assert (found.state, found.made_from, found.source_types) == ("trusted", ("camera 1.2",), (SOURCE,))


def test_a_broken_manifest_is_carried_on_as_broken_and_the_new_one_is_whole(identity: Identity) -> None:
    import c2pa

    photo = bytearray(signed("png", identity))
    photo[photo.index(b"IDAT") + 24] ^= 1
    parent = SignedFile("png", bytes(photo))
    file = encode(Image.new("RGB", (64, 48)), "png", source_type=SOURCE)
    file = sign(file, "png", identity, source_type=SOURCE, software=SOFTWARE, parent=parent)
    with c2pa.Reader("image/png", io.BytesIO(file)) as reader:
        told = json.loads(reader.json())
    (ingredient,) = told["manifests"][told["active_manifest"]]["ingredients"]
    failures = ingredient["validation_results"]["activeManifest"]["failure"]
    assert "assertion.dataHash.mismatch" in [failure["code"] for failure in failures]
    found = read_credentials(file, "png", identity.chain)
    assert found is not None
    assert found.state == "trusted"


def test_a_photo_without_a_manifest_has_nothing_to_carry_on(identity: Identity) -> None:
    picture = open_picture(encode(Image.new("RGB", (64, 48)), "jpeg"))
    assert signed_file_of(picture) is None
    found = read_credentials(signed("jpeg", identity), "jpeg")
    assert found is not None
    assert found.made_from == ()


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
