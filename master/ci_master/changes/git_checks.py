"""Checks of the arguments of a GitPoller."""

import codecs
from collections.abc import Iterable, Mapping
from typing import Any

from ci_common.faults import nearest
from ci_master.data.faults import configFault

__all__ = ["check_git_arguments"]


def check_git_arguments(repourl: Any, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Report what is wrong with them."""
    if not isinstance(repourl, str) or not repourl:
        configFault(f"GitPoller: 'repourl' is {repourl!r}, but must be the URL of a repository")
    label = f"GitPoller '{repourl}'"
    for name in given.keys() - set(known):
        near = nearest(name, known)
        hint = f"did you mean '{near}'?" if near else ""
        configFault(f"{label} does not know the argument '{name}'", hint)
    _check_branches(label, given)
    _check_keys(label, given)
    if given.get("fetch_refspec") is not None:
        configFault(
            f"{label}: 'fetch_refspec' is not supported any more: only what 'branches' names is "
            f"fetched",
            "leave it out, or put full references into 'branches'",
        )
    encoding = given.get("encoding", "utf-8")
    try:
        codecs.lookup(encoding)
    except (LookupError, TypeError):
        configFault(f"{label}: there is no encoding {encoding!r}")


def _check_branches(label: str, given: Mapping[str, Any]) -> None:
    branch, branches = given.get("branch"), given.get("branches")
    if branch is not None and branches is not None:
        configFault(f"{label}: 'branch' and 'branches' cannot be given together")
    if branch is not None and not isinstance(branch, str):
        configFault(f"{label}: 'branch' is {branch!r}, but must be a string")
    if branches is None or branches is True or callable(branches):
        return
    named = isinstance(branches, list | tuple) and all(isinstance(name, str) for name in branches)
    if not named:
        configFault(
            f"{label}: 'branches' is {branches!r}, but must be a list of names, True, or a "
            f"function of the reference",
            f"write branches=[{branches!r}]" if isinstance(branches, str) else "",
        )


def _check_keys(label: str, given: Mapping[str, Any]) -> None:
    hosts = [name for name in ("sshHostKey", "sshKnownHosts") if given.get(name) is not None]
    if len(hosts) > 1:
        configFault(f"{label}: 'sshHostKey' and 'sshKnownHosts' cannot be given together")
    if hosts and given.get("sshPrivateKey") is None:
        configFault(f"{label}: '{hosts[0]}' is of use only together with 'sshPrivateKey'")
    auth = given.get("auth_credentials")
    if auth is not None and not (isinstance(auth, list | tuple) and len(auth) == 2):
        configFault(f"{label}: 'auth_credentials' must be a pair of user name and password")
    options = given.get("git_credentials")
    if options is not None and not hasattr(options, "credentials"):
        configFault(f"{label}: 'git_credentials' must be a GitCredentialOptions")
