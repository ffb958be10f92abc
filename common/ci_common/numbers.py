"""Numbers that somebody typed or sent: the one place that reads them.

``int`` takes more than people mean by a whole number (``²`` is a digit to ``str.isdigit`` and none
to ``int``; ``١٢``, ``1_000`` and `` 7 `` are numbers to ``int``; more than 4,300 digits raise, and
what no database holds is taken), and ``float`` takes ``nan`` and ``inf``. Here a number is made of
ASCII digits, and it lies within limits.
"""

import math

__all__ = ["MOST", "MOST_32", "finite_number", "is_digits", "whole_number"]

#: The largest number that a column of 64 bits holds, and one of 32 bits.
MOST = 2**63 - 1
MOST_32 = 2**31 - 1

_LONGEST = 20  # of a number of 64 bits, with its sign
_LONGEST_FRACTION = 40


def is_digits(text: object) -> bool:
    """Whether it is text of ASCII digits only, and not empty."""
    return isinstance(text, str) and text.isascii() and text.isdigit()


def whole_number(text: object, *, least: int = 0, most: int = MOST) -> int | None:
    """The number that a text (or bytes) writes in decimal digits; None if it writes none.

    A number (not a bool) is taken as it is.

    :param least: smaller numbers are none; a sign is taken only if this is negative.
    :param most: larger numbers are none.
    """
    if type(text) is int:
        return text if least <= text <= most else None
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    digits = text[1:] if least < 0 and text[:1] == "-" else text
    if not is_digits(digits):
        return None
    number = int(text)
    return number if least <= number <= most else None


def finite_number(text: object) -> float | None:
    """The finite number that a text writes in decimal, ``-1.5e3``; None if it writes none.

    A number (not a bool) is taken as it is, if it is finite.
    """
    if isinstance(text, bool):
        return None
    if isinstance(text, str):
        plain = text.isascii() and not set(text) - set("0123456789+-.eE")
        if not plain or len(text) > _LONGEST_FRACTION:
            return None
    elif not isinstance(text, int | float):
        return None
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
