"""Photos off the wire: files of a form, and Base64 in JSON. Nothing is fetched: an address is refused."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from imagegen.errors import InvalidRequest
from imagegen.photo import Photo

MOST_FILES = 16  # OpenAI's bound; the model's own is lower
MOST_FIELDS = 64
_NESTED = re.compile(r"(\w+)\[(\w+)\](\[\])?")


def photo_of(text: str, name: str) -> Photo:
    """The photo in Base64, plain or as a data: URL. Raises InvalidRequest and InputFileInvalid naming
    `name`."""
    head, comma, body = text.partition(",")
    if head.startswith("data:"):
        if not comma or not head.endswith(";base64"):
            raise InvalidRequest("must be a data: URL in base64", field=name)
    elif "://" in head[:32]:
        raise InvalidRequest(
            "is an address, and nothing is fetched here", field=name, hint="send the file itself, in base64"
        )
    else:
        body = text
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"is not base64: {error}", field=name) from error
    return Photo.of(data, name)


def photos_of(texts: Sequence[str], name: str) -> list[Photo]:
    """Each as `photo_of` reads it; messages call them name[0], name[1], ..."""
    return [photo_of(text, f"{name}[{place}]") for place, text in enumerate(texts)]


async def read_form(request: Request, name: str) -> tuple[dict[str, Any], list[Photo]]:
    """A multipart form's fields, and the files of the field `name` (several: "name[]"), which messages call
    so. `recipe[fill]` is a member of the object `recipe`.

    Raises InvalidRequest for other files, for a field that comes twice and for what is no form.
    """
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
        fields: dict[str, Any] = {}
        files: list[bytes] = []
        for key, value in form.multi_items():
            if not isinstance(value, UploadFile):
                _put(fields, key, value)
            elif key in (name, f"{name}[]"):
                files.append(await value.read())
            else:
                raise InvalidRequest("no such file is taken", field=key[:100])
    for key in (name, f"{name}[]"):
        if key in fields:
            raise InvalidRequest("must be a file", field=name)
    called = [name] if len(files) == 1 else [f"{name}[{place}]" for place in range(len(files))]
    return fields, [Photo.of(data, each) for data, each in zip(files, called, strict=True)]


def _put(fields: dict[str, Any], key: str, value: str) -> None:
    """Files one form field under its name; what belongs to an object may be a number, true or false."""
    nested = _NESTED.fullmatch(key)
    if nested is None:
        if key in fields:
            raise InvalidRequest("is given twice", field=key[:100])
        fields[key] = value
        return
    outer, inner, is_list = nested.groups()
    members = fields.setdefault(outer, {})
    twice = InvalidRequest("is given twice", field=f"{outer}.{inner}"[:100])
    if not isinstance(members, dict) or (inner in members and not is_list):
        raise twice
    if not is_list:
        members[inner] = _value(value)
    elif isinstance(several := members.setdefault(inner, []), list):
        several.append(_value(value))
    else:
        raise twice


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text
