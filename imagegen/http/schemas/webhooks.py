"""/v1/webhooks: who is told when a job ends, and how the tellings went."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WebhookCreation(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(max_length=2048, description="https, on the public internet")


class WebhookObject(BaseModel):
    id: str
    object: Literal["webhook"] = "webhook"
    url: str
    created_at: float
    disabled: str | None = Field(description="why nothing is sent any more: the receiver answered 410")


class WebhookWithSecret(WebhookObject):
    secret: str = Field(description="signs every message (Standard Webhooks); shown this once")
    old_secret_until: float | None = Field(
        None, description="until when the secret before signs too, after a rotation"
    )


class WebhookList(BaseModel):
    object: Literal["list"] = "list"
    data: list[WebhookObject]


class DeliveryObject(BaseModel):
    id: str = Field(description="the webhook-id, the same at every attempt")
    object: Literal["delivery"] = "delivery"
    job: str
    type: str
    state: Literal["pending", "delivered", "dead"]
    attempts: int
    status: int | None = Field(description="of the last answer")
    error: str | None = Field(description="what went wrong instead of an answer")
    created_at: float
    next_attempt_at: float | None
    ended_at: float | None


class DeliveryList(BaseModel):
    object: Literal["list"] = "list"
    data: list[DeliveryObject]
