"""Directories and files that are nobody else's business: passwords, logs, databases."""

import os
import stat
from pathlib import Path

#: what only the owner may do
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def make_private_directory(path: Path) -> bool:
    """Make a directory, and those above it; only its owner may look into it.

    One that exists is left as it is.

    :returns: whether it was made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
        return False
    path.chmod(DIRECTORY_MODE)  # whatever the umask took away
    return True


def make_private_file(path: str | Path) -> bool:
    """Make an empty file that only its owner may read. One that exists is left as it is.

    :returns: whether it was made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileExistsError:
        return False
    os.close(descriptor)
    os.chmod(path, FILE_MODE)
    return True


def write_private_text(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whoever could read the one of before."""
    make_private_file(path)
    path.chmod(FILE_MODE)
    path.write_text(text, encoding="utf-8")


def open_to_others(directory: str | Path, what: str) -> str:
    """What to tell of a directory that others may look into; empty if they may not.

    :param what: whose directory it is, such as ``master``.
    """
    if os.name != "posix":
        return ""
    try:
        mode = stat.S_IMODE(os.stat(directory).st_mode)
    except OSError:
        return ""  # whoever needs it will tell
    if not mode & 0o077:
        return ""
    who = "all users" if mode & 0o007 else "a group of users"
    return (
        f"the {what}'s directory {directory} is open to {who} of this machine (mode {mode:04o}), "
        f"and there are passwords and logs in it; close it: chmod 700 {directory}"
    )
