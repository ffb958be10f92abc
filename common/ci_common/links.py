"""Links that others give: which of them run a script when somebody follows them."""

import re

__all__ = ["harmless", "runs_script"]

_SCRIPT = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)
#: Browsers leave these out where they read a scheme.
_IGNORED = re.compile(r"[\x00-\x20\x7f]+")
_LONGEST_SCHEME = 4096


def runs_script(url: str) -> bool:
    """Whether a browser that follows this link runs what it says, as a part of our pages."""
    return _SCRIPT.match(_IGNORED.sub("", url[:_LONGEST_SCHEME])) is not None


def harmless(url: str) -> str:
    """The link; with ``unsafe:`` before it, if following it would run a script."""
    return f"unsafe:{url}" if runs_script(url) else url
