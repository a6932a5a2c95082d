"""Who signs: nobody, the owner, or this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.errors import OutputNotWritable, SettingsInvalid
from imagegen.store.identity import FOLDER, find_identity, known_certificates


def test_nobody_signs_unless_asked(tmp_path: Path) -> None:
    assert find_identity(tmp_path, None, None, sign=False) is None
    assert known_certificates(tmp_path, None) == b""
    assert list(tmp_path.iterdir()) == []


def test_the_machines_own_certificate_is_made_once_and_known(tmp_path: Path) -> None:
    made = find_identity(tmp_path / "data", None, None, sign=True)
    assert made is not None
    assert find_identity(tmp_path / "data", None, None, sign=True) == made
    assert made.chain in known_certificates(tmp_path / "data", None)


def test_the_owners_certificate_goes_before(tmp_path: Path) -> None:
    find_identity(tmp_path / "owner", None, None, sign=True)
    certificate, key = (tmp_path / "owner" / FOLDER / name for name in ("certificate.pem", "key.pem"))
    chosen = find_identity(tmp_path / "data", certificate, key, sign=False)
    assert chosen is not None
    assert chosen.chain == certificate.read_bytes()
    assert not (tmp_path / "data").exists()
    assert known_certificates(tmp_path / "data", certificate).strip() == chosen.chain.strip()


def test_half_a_pair_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    for certificate, key, field in (
        (tmp_path / "a.pem", None, "certificate_key"),
        (None, tmp_path / "a.pem", "certificate"),
        (tmp_path / "a.pem", tmp_path / "b.pem", "certificate"),
    ):
        with pytest.raises(SettingsInvalid) as refusal:
            find_identity(tmp_path, certificate, key, sign=True)
        assert refusal.value.field == field
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable):
        find_identity(tmp_path / "file", None, None, sign=True)
