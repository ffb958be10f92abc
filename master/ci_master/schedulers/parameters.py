"""The fields of a form by which people force builds: text, numbers, choices, files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ci_common.numbers import MOST, whole_number
from ci_master.data.arguments import Kind, Number, Text, check_characters, shown
from ci_master.schedulers.errors import ValidationError
from ci_master.schedulers.parameter_base import BaseParameter

__all__ = [
    "BaseParameter",
    "BooleanParameter",
    "ChoiceStringParameter",
    "FileParameter",
    "FixedParameter",
    "IntParameter",
    "StringParameter",
    "TextParameter",
    "UserNameParameter",
]

_EMAIL = re.compile(
    r"^(?:[^<>@\s][^<>]*<\s*)?[A-Za-z0-9._%+'-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\s*>?$"
)


@dataclass(frozen=True, slots=True)
class _TextOrNumber:
    """Text of a limited length; or a finite number, as programs may send it."""

    most: int

    def check(self, value: Any) -> Any:
        """The value."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"must be text, not {shown(value)}")
        return Text(self.most).check(value) if isinstance(value, str) else Number().check(value)


class _Scalar(_TextOrNumber):
    """The same, or true or false."""

    def check(self, value: Any) -> Any:
        """The value."""
        return value if isinstance(value, bool) else _TextOrNumber.check(self, value)


class _Content:
    """What a file holds: text or bytes."""

    def check(self, value: Any) -> Any:
        """The value."""
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ValueError(f"must be the text of a file, not {shown(value)}")
        check_characters(value.replace("\0", ""))
        return value


class _Anything:
    """What is posted does not count."""

    def check(self, value: Any) -> Any:
        """The value."""
        return value


class FixedParameter(BaseParameter):
    """A field with a fixed value that nobody can change."""

    kind: ClassVar[Kind] = _Anything()
    type = "fixed"
    hide = True
    default = ""

    def parse_from_args(self, l: list[Any]) -> Any:  # noqa: E741  # as in the base class
        """The default."""
        return self.default


class StringParameter(BaseParameter):
    """A field for one line of text.

    :param size: width of the field in characters.
    """

    spec_attributes: ClassVar[Sequence[str]] = ("size",)
    kind: ClassVar[Kind] = _TextOrNumber(100_000)
    type = "text"
    size: int | None = 10

    def parse_from_arg(self, s: Any) -> Any:
        """Text as it is; numbers from JSON become text."""
        return str(s) if isinstance(s, int | float) else s


class TextParameter(StringParameter):
    """A field for several lines of text.

    :param cols: width of the field in characters.
    :param rows: height of the field in lines.
    """

    spec_attributes: ClassVar[Sequence[str]] = ("cols", "rows")
    kind: ClassVar[Kind] = _TextOrNumber(1_000_000)
    type = "textarea"
    cols = 80
    rows = 20

    def value_to_text(self, value: Any) -> str:
        """The value as shown in the field."""
        return str(value)


class IntParameter(StringParameter):
    """A field for a whole number.

    :param least: smallest number that is accepted; default: the smallest one of 64 bits.
    :type least: whole number
    :param most: largest number that is accepted; default: the largest one of 64 bits.
    :type most: whole number
    """

    kind: ClassVar[Kind] = _Anything()  # parse_from_arg says what is wrong
    type = "int"
    default = 0
    least: int = -MOST
    most: int = MOST

    def parse_from_arg(self, s: Any) -> int:
        """The number; ValueError if it is none."""
        if isinstance(s, str):
            number = whole_number(s.strip().removeprefix("+"), least=-MOST)
        else:
            number = whole_number(s, least=-MOST)
        if number is not None:
            if not self.least <= number <= self.most:
                raise ValidationError(f"{number} is not from {self.least} to {self.most}")
            return number
        if isinstance(s, bool | float) or (isinstance(s, str) and len(s) <= 200):
            raise ValidationError(f"invalid literal for int() with base 10: '{s}'")
        raise ValidationError(f"must be a whole number, not {shown(s)}")


class BooleanParameter(BaseParameter):
    """A check box."""

    type = "bool"

    def getFromKwargs(self, kwargs: Mapping[str, list[Any]]) -> bool:
        """Whether it is checked; if nothing is posted, the default."""
        value = kwargs.get(self.fullName or "", [self.default])
        if value and not isinstance(value[0], bool | str | None):
            raise ValidationError(f"{self.label}: must be true or false, not {shown(value[0])}")
        return bool(value) and value[0] is True


class UserNameParameter(StringParameter):
    """A field for the name of the person who asks for the build.

    :param need_email: refuse a value that is not of the form ``Name <mail address>``.
    """

    spec_attributes: ClassVar[Sequence[str]] = ("need_email",)
    kind: ClassVar[Kind] = _TextOrNumber(500)
    type = "username"
    default = ""
    size = 30
    need_email = True

    def __init__(self, name: str = "username", label: str = "Your name:", **kw: Any) -> None:
        super().__init__(name, label, **kw)

    def parse_from_arg(self, s: Any) -> str:
        """The name; ValidationError if the address is missing."""
        name = str(s).strip()
        if self.need_email and not _EMAIL.match(name):
            raise ValidationError(
                f"{self.name}: please fill in email address in the form 'User <email@email.com>'"
            )
        return name


class ChoiceStringParameter(BaseParameter):
    """A field in which one value of a list is chosen, or several with ``multiple=True``.

    :param choices: the values that can be chosen.
    :type choices: list of strings
    :param strict: refuse values that are not among the choices.
    """

    spec_attributes: ClassVar[Sequence[str]] = ("choices", "strict")
    kind: ClassVar[Kind] = _Scalar(100_000)
    type = "list"
    choices: Any = []
    strict = True

    def parse_from_arg(self, s: Any) -> Any:
        """The value; ValidationError if it is none of the choices."""
        if self.strict and s not in self.choices:
            posted = f"'{s}'" if len(str(s)) <= 200 else shown(s)
            raise ValidationError(
                f"{posted} does not belong to list of available choices '{self.choices}'"
            )
        return s

    def getChoices(self, master: Any, scheduler: Any, buildername: str | None) -> Any:
        """The choices for builds of one builder; None: of all the scheduler's."""
        return self.choices


class FileParameter(BaseParameter):
    """A field for a file; its value is the content of the file."""

    kind: ClassVar[Kind] = _Content()
    type = "file"
    maxsize = 1024 * 1024 * 10

    def parse_from_arg(self, s: Any) -> Any:
        """The content as text; ValidationError if it is not UTF-8."""
        if not isinstance(s, bytes):
            return s
        try:
            return s.decode("utf-8")
        except UnicodeDecodeError:
            raise ValidationError(f"{self.label}: is no text in UTF-8") from None
