"""What finishing refuses.

    FinishingError (a ValueError)    .field names the recipe field or the input; .hint says what to do
    ├── RecipeInvalid                a value of the recipe is out of range, unknown or contradictory
    ├── PresetInvalid                the file of a marketplace's preset breaks the schema
    ├── PictureInvalid               the picture cannot be read, or is too small or too large
    ├── ProductNotFound              there is nothing in the picture to cut out
    ├── ModelFileMissing             the file of the cut-out model asked for is not on this machine
    ├── ModelNotAllowed              the licence of the cut-out model asked for has not been allowed here
    ├── DependencyMissing            an optional package (rembg, onnxruntime) is not installed
    └── CertificateInvalid           the certificate or key that files are signed with cannot be used

This package knows no exit codes and no HTTP statuses: whoever calls it maps these classes to its own error
tree.
"""

from __future__ import annotations


class FinishingError(ValueError):
    """A picture could not be finished as asked; nothing was written.

    field: name of the recipe field, or "picture", "format", "quality"; None when no single one is to blame.
    hint: one sentence saying what to do, or None.
    """

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}. {hint}")
        self.message = message
        self.field = field
        self.hint = hint


class RecipeInvalid(FinishingError):
    """A recipe field has a value that no step could honour."""


class PresetInvalid(FinishingError):
    """The file of a marketplace's preset has a value that its schema does not take."""


class PictureInvalid(FinishingError):
    """The input is not a picture that can be finished."""


class ProductNotFound(FinishingError):
    """Nothing in the picture stands out as a product, so there is nothing to cut out."""


class ModelNotAllowed(FinishingError):
    """The licence of a cut-out model does not allow commercial use, and the owner has not allowed it."""


class ModelFileMissing(FinishingError):
    """The file of a cut-out model is not present locally, and is never downloaded unasked."""


class DependencyMissing(FinishingError):
    """An optional package that this recipe needs cannot be imported."""


class CertificateInvalid(FinishingError):
    """A certificate or private key for Content Credentials cannot be read or used."""
