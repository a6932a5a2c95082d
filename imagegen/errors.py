"""Every error imagegen raises, in one tree.

    ImagegenError                exit   HTTP   raised when
    ├── InvalidRequest              2    400   a field of a request is missing or out of range
    ├── SettingsInvalid             2    500   a setting is unknown or out of range
    ├── ModelNotFound               3    404   no model of that name is installed
    ├── CheckpointInvalid           4    500   a model's files are missing, truncated or do not fit together
    ├── InputFileInvalid            5    400   a CSV or picture that was handed in cannot be read
    ├── OutputNotWritable           6    500   a result cannot be written where it was asked to go
    ├── Overloaded                  7    429   the queue is full; try again in `retry_after` seconds
    ├── OutOfMemory                 8    503   the picture does not fit into memory
    ├── MissingDependency           9    501   an optional part is needed and not installed
    ├── GenerationFailed           10    500   the model ran and no usable picture came out
    ├── BatchIncomplete            11    500   a batch ended and some of its rows failed
    ├── Unauthorized               12    401   an API key is missing or wrong
    ├── DeviceFailed               13    503   the device's thread died; a new one takes the next picture
    ├── DeadlineExceeded           14    504   a job's deadline passed before it was begun
    ├── JobNotFound                15    404   no job has that id (any more)
    ├── Forbidden                  16    403   the API key lacks the scope for this
    ├── QuotaExceeded              17    429   the API key has used up its requests or pictures for now
    ├── AuditBroken                18    500   the audit log was changed or cut off
    ├── WebhookNotFound            19    404   no webhook, or no delivery of it, has that id
    ├── IdempotencyConflict        20    422   an Idempotency-Key was used for another request before
    ├── JobInFlight                21    409   the first request with this Idempotency-Key is being handed in
    ├── StoreUnavailable           22    503   the artifact store does not answer
    ├── BatchNotFound              23    404   no batch, or no file of one, has that name
    └── Cancelled                 130    499   the owner stopped the work (Ctrl-C, a closed connection)

An error says what is wrong (`message`), where (`field`: a request field, a column or a file) and what to do
about it (`hint`); the error that caused it is chained with `raise ... from`. Exit code 1 is kept for what
nobody foresaw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ImagegenError(Exception):
    """The root: catch this to catch everything that imagegen raises on purpose."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"
    transient: ClassVar[bool] = False
    """True when the same request may succeed a little later: a job is then tried again by itself."""

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint

    @property
    def param(self) -> str | None:
        """The field's name as OpenAI's error object calls it."""
        return self.field

    def __str__(self) -> str:
        text = self.message if self.field is None else f"{self.field}: {self.message}"
        return text if self.hint is None else f"{text} ({self.hint})"


class InvalidRequest(ImagegenError):
    exit_code, http_status, code, type = 2, 400, "invalid_request", "invalid_request_error"


class SettingsInvalid(ImagegenError):
    exit_code, http_status, code = 2, 500, "settings_invalid"


class ModelNotFound(ImagegenError):
    exit_code, http_status, code, type = 3, 404, "model_not_found", "invalid_request_error"


class CheckpointInvalid(ImagegenError):
    exit_code, http_status, code = 4, 500, "checkpoint_invalid"


class InputFileInvalid(ImagegenError):
    exit_code, http_status, code, type = 5, 400, "input_file_invalid", "invalid_request_error"


class OutputNotWritable(ImagegenError):
    exit_code, http_status, code = 6, 500, "output_not_writable"


class Overloaded(ImagegenError):
    exit_code, http_status, code, type = 7, 429, "overloaded", "rate_limit_error"
    transient = True

    def __init__(
        self, message: str, *, retry_after: float, field: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.retry_after = retry_after


class OutOfMemory(ImagegenError):
    exit_code, http_status, code = 8, 503, "out_of_memory"
    transient = True


class MissingDependency(ImagegenError):
    exit_code, http_status, code = 9, 501, "missing_dependency"


class GenerationFailed(ImagegenError):
    exit_code, http_status, code = 10, 500, "generation_failed"


class BatchIncomplete(ImagegenError):
    exit_code, http_status, code = 11, 500, "batch_incomplete"


class Unauthorized(ImagegenError):
    exit_code, http_status, code, type = 12, 401, "invalid_api_key", "authentication_error"


class DeviceFailed(ImagegenError):
    exit_code, http_status, code = 13, 503, "device_failed"
    transient = True


class DeadlineExceeded(ImagegenError):
    exit_code, http_status, code = 14, 504, "deadline_exceeded"


class JobNotFound(ImagegenError):
    exit_code, http_status, code, type = 15, 404, "job_not_found", "invalid_request_error"


class Forbidden(ImagegenError):
    exit_code, http_status, code, type = 16, 403, "scope_missing", "permission_error"


class QuotaExceeded(ImagegenError):
    exit_code, http_status, code, type = 17, 429, "quota_exceeded", "rate_limit_error"

    def __init__(self, message: str, *, retry_after: float, limits: Sequence[Any] = ()) -> None:
        super().__init__(message, hint=f"try again in {retry_after:.0f} s")
        self.retry_after = retry_after
        self.limits = tuple(limits)


class AuditBroken(ImagegenError):
    exit_code, http_status, code = 18, 500, "audit_broken"


class WebhookNotFound(ImagegenError):
    exit_code, http_status, code, type = 19, 404, "webhook_not_found", "invalid_request_error"


class IdempotencyConflict(ImagegenError):
    exit_code, http_status, code, type = 20, 422, "idempotency_conflict", "invalid_request_error"


class JobInFlight(ImagegenError):
    exit_code, http_status, code, type = 21, 409, "job_in_flight", "invalid_request_error"
    retry_after = 1.0


class StoreUnavailable(ImagegenError):
    exit_code, http_status, code = 22, 503, "store_unavailable"
    transient = True


class BatchNotFound(ImagegenError):
    exit_code, http_status, code, type = 23, 404, "batch_not_found", "invalid_request_error"


class Cancelled(ImagegenError):
    exit_code, http_status, code = 130, 499, "cancelled"
