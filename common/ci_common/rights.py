"""What a person is told whose account may not do what was asked of a daemon's directory."""

import getpass
import os
from pathlib import Path


def refusal(error: OSError, program: str) -> str:
    """A sentence about a failed access, with the account that may do it, if it is another one.

    :param error: with the path, if it is known.
    :param program: that the person called, for the proposal.
    """
    path = os.fspath(error.filename) if error.filename is not None else ""
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    what = f"{path}: {error.strerror}" if path else str(error)
    if not isinstance(error, PermissionError):
        return what
    owner = _owner(Path(path)) if path else None
    if owner is None or owner == _account():
        return f"the account {_account()!r} may not do this: {what}"
    return (
        f"the account {_account()!r} may not do this: {what}. It belongs to {owner!r}:"
        f" run the command as that account, sudo -u {owner} {program} ..."
    )


def _owner(path: Path) -> str | None:
    """The account of the nearest thing on the way to ``path`` that can be looked at."""
    for one in (path, *path.parents):
        try:
            return one.owner()
        except OSError:
            continue
        except (KeyError, NotImplementedError):
            return None
    return None


def _account() -> str:
    try:
        return getpass.getuser() if not hasattr(os, "geteuid") else _name(os.geteuid())
    except (KeyError, OSError):
        return "of this process"


def _name(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
