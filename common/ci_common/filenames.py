"""Names that came from elsewhere and are to become names of files."""

import re

#: most bytes of one name, on all usual file systems
LONGEST_NAME_BYTES = 255

#: devices that Windows finds in every directory, whatever follows the first dot
_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
_DRIVE = re.compile(r"[A-Za-z]:")


def why_unusable(name: object, *, for_windows: bool = True) -> str:
    """Why this cannot be the name of one file or directory; empty if it can.

    A name that passes stays in the directory it is put into, on every system.

    :param for_windows: refuse also what only Windows gives another meaning to: devices
        (``nul.txt``), and names that end in a dot or a space.
    """
    if not isinstance(name, str):
        return f"it is a {type(name).__name__}, not a text"
    if not name:
        return "it is empty"
    if name in (".", ".."):
        return "it stands for a directory"
    if "/" in name or "\\" in name:
        return "it has a separator of directories in it"
    if _DRIVE.match(name):
        return "it begins like a drive"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "it has control characters in it"
    try:
        size = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return "it cannot be encoded"
    if size > LONGEST_NAME_BYTES:
        return f"it has {size} bytes, and {LONGEST_NAME_BYTES} are the most"
    return why_unusable_on_windows(name) if for_windows else ""


def why_unusable_on_windows(name: str) -> str:
    """Why Windows would take this name for something else; empty if it would not."""
    if name != name.rstrip(". "):
        return "it ends in a dot or a space"
    if name.split(".", 1)[0].rstrip().upper() in _WINDOWS_DEVICES:
        return "it is the name of a device on Windows"
    return ""


def shown(name: object, most: int = 120) -> str:
    """A name from elsewhere for people: quoted, escaped, not endless."""
    text = ascii(name) if not isinstance(name, str) or not name.isprintable() else repr(name)
    return text if len(text) <= most else f"{text[:most]}..."
