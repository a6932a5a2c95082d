"""Content Credentials: a C2PA manifest that says how a picture came to be, signed into its file.

Signing and reading are c2pa-python's (the reference implementation). Nothing is fetched: no time stamp, no
manifest kept elsewhere, no revocation list.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from imagegen_postprocess.errors import CertificateInvalid
from imagegen_postprocess.provenance.c2pa import SignedFile
from imagegen_postprocess.provenance.certificate import Identity
from imagegen_postprocess.provenance.xmp import CODES

MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
"""The formats whose manifests are read; the first three are written."""

State = Literal["trusted", "valid", "invalid"]
_STATES: dict[str, State] = {"Trusted": "trusted", "Valid": "valid"}
_PARENT = "parent"  # how the action names the ingredient
_UNKNOWN_SIGNER = "signingCredential.untrusted"


@dataclass(frozen=True)
class Credentials:
    """A manifest as its file has it.

    state: "trusted" (intact, and signed by whom the reader knows), "valid" (intact, by somebody unknown) or
    "invalid" (the file was changed after it was signed, or the manifest breaks the specification). signer:
    the certificate's organisation. software: what wrote it. source_types: codes of IPTC's digital source
    types in its actions. made_from: what wrote the manifests of the files that it was made from. problems:
    what the check found, as C2PA names it; empty when all is well.
    """

    state: State
    signer: str | None
    software: str | None
    source_types: tuple[str, ...]
    made_from: tuple[str, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def sign(
    data: bytes,
    format: str,
    identity: Identity,
    *,
    source_type: str,
    software: str,
    parent: SignedFile | None = None,
) -> bytes:
    """The file with a signed manifest; all other metadata must be in it already, since the signature covers
    them.

    format: "png", "jpeg" or "webp". source_type: a code of IPTC's digital source types. software: name and
    version, as "imagegen 0.1.0". parent: the signed file that this one was made from; its manifest is taken
    into the new one as its ingredient, whether or not it is valid: what c2pa finds wrong with it is kept
    beside it. Adds about 3 kB and the parent's manifest. Raises CertificateInvalid for a certificate that
    c2pa refuses.
    """
    import c2pa

    name, _, version = software.partition(" ")
    agent = {"name": name, **({"version": version} if version else {})}
    made = {
        "action": "c2pa.created" if parent is None else "c2pa.edited",
        "digitalSourceType": f"{CODES}{source_type}",
        "softwareAgent": agent,
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
    manifest = {
        "claim_generator_info": [agent],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [made] if parent is None else [opened, made]},
            }
        ],
    }
    algorithm = c2pa.C2paSigningAlg[identity.algorithm.upper()]
    info = c2pa.C2paSignerInfo(algorithm, identity.chain, identity.key, None)  # None: no time stamp service
    signed = io.BytesIO()
    try:
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest, _context(b"")) as builder:
            if parent is not None:
                of = {"title": f"photo.{parent.format}", "relationship": "parentOf", "label": _PARENT}
                builder.add_ingredient(of, MIME[parent.format], io.BytesIO(parent.data))
            builder.sign(signer, MIME[format], io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise CertificateInvalid(f"the file could not be signed: {error}", field="certificate") from error
    return signed.getvalue()


def read_credentials(data: bytes, format: str, anchors: bytes = b"") -> Credentials | None:
    """The manifest of a file and what it is worth; None when there is none or the format has no place for it.

    anchors: PEM certificates whose signatures are trusted.
    """
    import c2pa

    if format not in MIME:
        return None
    try:
        with c2pa.Reader(MIME[format], io.BytesIO(data), context=_context(anchors)) as reader:
            found, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return Credentials("invalid", None, None, (), (), (str(error),))
    active = found.get("manifests", {}).get(found.get("active_manifest"), {})
    problems = [str(status.get("code")) for status in found.get("validation_status") or []]
    return Credentials(
        state=_STATES.get(str(state), "invalid"),
        signer=(active.get("signature_info") or {}).get("issuer"),
        software=_software(active),
        source_types=_source_types(active),
        made_from=_made_from(active, found.get("manifests", {})),
        problems=tuple(problem for problem in problems if problem != _UNKNOWN_SIGNER),
    )


def _context(anchors: bytes) -> Any:
    """What c2pa may do: check everything, ask nobody, draw no thumbnail."""
    import c2pa

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"trust_anchors": anchors.decode()}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _software(manifest: dict[str, Any]) -> str | None:
    for info in manifest.get("claim_generator_info") or []:
        if info.get("name"):
            return " ".join(filter(None, (info["name"], info.get("version"))))
    generator = manifest.get("claim_generator")
    return str(generator) if generator else None


def _made_from(manifest: dict[str, Any], manifests: dict[str, Any]) -> tuple[str, ...]:
    parents = (
        manifests.get(ingredient.get("active_manifest"), {})
        for ingredient in manifest.get("ingredients") or []
    )
    return tuple(_software(parent) or "unknown" for parent in parents if parent)


def _source_types(manifest: dict[str, Any]) -> tuple[str, ...]:
    found = [
        str(action["digitalSourceType"]).rpartition("/")[2]
        for assertion in manifest.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions") or []
        if action.get("digitalSourceType")
    ]
    return tuple(dict.fromkeys(found))
