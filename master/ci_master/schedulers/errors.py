"""What is wrong with the fields of a forced build."""

from collections.abc import Callable
from typing import Any

from ci_common.aio import call_override

__all__ = ["CollectedValidationError", "ValidationError", "ValidationErrorCollector"]


class ValidationError(ValueError):
    """A field's value that cannot be taken; the text is shown beside the field."""


class CollectedValidationError(ValueError):
    """All fields that cannot be taken.

    :ivar errors: full name of the field -> what is wrong.
    """

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("\n".join(f"{name}:{text}" for name, text in errors.items()))


class ValidationErrorCollector:
    """Calls what may refuse a field, and keeps the refusals until all fields are seen."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    async def collectValidationErrors(
        self, name: str | None, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The result of ``fn``; None if it refused.

        :param name: full name of the field.
        """
        try:
            return await call_override(fn, *args, **kwargs)
        except CollectedValidationError as error:
            self.errors.update(error.errors)
        except ValueError as error:
            self.errors[name or ""] = str(error)
        return None

    def maybeRaiseCollectedErrors(self) -> None:
        """Raise what was collected, if anything was."""
        if self.errors:
            raise CollectedValidationError(self.errors)
