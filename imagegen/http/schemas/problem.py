"""The error body: an RFC 9457 problem document that carries OpenAI's `error` member as well."""

from __future__ import annotations

from pydantic import BaseModel, Field


class OpenAIError(BaseModel):
    """OpenAI's error object; its client raises an exception made from it."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(None, description="the field at fault")
    code: str = Field(examples=["invalid_request"])


class FieldFault(BaseModel):
    """One of several fields at fault."""

    param: str | None
    message: str


class Problem(BaseModel):
    """RFC 9457, section 3.1, with four members of our own. A plain one would make the openai client lose
    `message` and `code`, which it reads from `error`."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong, where, and what to do about it")
    code: str = Field(description="the kind of error, for programs")
    request_id: str = Field(description="the x-request-id header's value; the server's log names it too")
    errors: list[FieldFault] = Field(default=[], description="every fault of a body that has more than one")
    error: OpenAIError
