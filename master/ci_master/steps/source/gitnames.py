"""Names for Git's command line that come from changes, hooks and forms.

Git takes a word that begins with ``-`` for an option, some of which run programs
(``--upload-pack=...``); a branch ``a:refs/heads/b`` writes a branch ``b``; and an address
``ext::...`` is a program to run.
"""

import re

_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|(?:^|/)\.|[./]$")
_NO_REVISION = re.compile(r"[\x00-\x20\x7f:?*\[\\]|\.\.")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")


def why_no_branch(name: str) -> str:
    """Why this cannot be a branch, a tag or another reference; empty if it can."""
    if name.startswith("-"):
        return "it would be an option of Git"
    if name.startswith(("+", "/")):
        return f"it begins with '{name[0]}'"
    found = _NO_BRANCH.search(name)
    return f"{found.group()!r} cannot be in a name of Git's" if found else ""


def why_no_revision(text: str) -> str:
    """Why this cannot name a commit, as ``HEAD~2`` or an object id do; empty if it can."""
    if text.startswith("-"):
        return "it would be an option of Git"
    if text.startswith(("+", "^")):
        return f"it begins with '{text[0]}'"
    found = _NO_REVISION.search(text)
    return f"{found.group()!r} cannot be in a revision" if found else ""


def why_no_address(url: str, *, configured: bool) -> str:
    """Why this is not taken as the address of a repository; empty if it is.

    :param configured: it is written in the configuration as it is, and not made of properties.
    """
    if url.startswith("-"):
        return "it would be an option of Git"
    if any(ord(character) < 32 for character in url):
        return "it has control characters in it"
    if not configured and (found := _HELPER.match(url)):
        return f"'{found.group()}' names a program to run; write such an address out in master.cfg"
    return ""
