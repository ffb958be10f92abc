"""Loading master.cfg: run it, check what it says, and tell all its faults at once."""

import gc
import os
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import current_thread, main_thread
from types import CodeType
from typing import Any

from ci_common.faults import ConfigError, Fault, nearest
from ci_common.numbers import whole_number
from ci_master.config import keys, lists
from ci_master.config.check import Check
from ci_master.config.cross import check_relations
from ci_master.config.doors import warn_of_open_doors
from ci_master.config.latechecks import finish_checks
from ci_master.config.mistakes import what_failed
from ci_master.config.model import Config
from ci_master.config.modules import fresh_modules
from ci_master.config.noeffect import warn_of_no_effect
from ci_master.config.opening import check_openings
from ci_master.config.places import KeyPlaces, shown
from ci_master.config.www import check_www
from ci_master.data.faults import collecting_faults

#: In the order in which faults are told.
_CHECKS = (
    keys.check_names,
    keys.check_plain,
    keys.check_validation,
    keys.check_db,
    keys.check_mq,
    keys.check_metrics,
    keys.check_caches,
    keys.check_protocols,
    lists.check_others,
    lists.check_schedulers,
    lists.check_projects,
    lists.check_builders,
    lists.check_workers,
    lists.check_change_sources,
    lists.check_services,
    finish_checks,
    check_www,
    check_relations,
    check_openings,
    warn_of_open_doors,
    warn_of_no_effect,
)


def load_config(basedir: str | Path, filename: str | Path = "master.cfg") -> Config:
    """Run a configuration file and check what it says.

    Nothing of a running master is touched: what the file makes records its arguments.

    :param basedir: the master's directory; relative file names start there.
    :raises ConfigError: with all faults of the file.
    """
    directory = Path(basedir).expanduser().absolute()
    path = directory / Path(filename).expanduser()
    source = _read(directory, path)
    use_older_names()
    with _no_gc(), fresh_modules(path) as modules, collecting_faults(str(path)) as faults:
        places = KeyPlaces(path, source)
        given = _given_by(path, source, directory, faults, places)
        check = Check(given, Config(filename=path.name), places, faults, directory)
        _check(check)
        if faults:
            raise ConfigError(_in_order(faults))
    check.config.modules = modules
    check.config.places = places
    check.config.notes += [
        f"the package '{name}' has compiled modules: edits of it count from the next restart on"
        for name in modules.kept
    ]
    return check.config


def use_older_names() -> None:
    """Let Buildbot's import paths lead to our modules, where no real Buildbot is installed.

    The table of these paths stands above all rooms, since it names them all; it is reached by
    its name, and nothing depends on it.
    """
    import_module("ci_master.compat").install()


@contextmanager
def _no_gc() -> Generator[None, None, None]:
    """A load makes many objects and hardly any garbage: looking for it takes a tenth longer."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def loads(text: str, basedir: str | Path, filename: str = "master.cfg") -> Config:
    """Write a configuration's text to a file of ``basedir`` and load it: for tests and tools."""
    Path(basedir, filename).write_text(text)
    return load_config(basedir, filename)


def _read(directory: Path, path: Path) -> bytes:
    if not directory.is_dir():
        raise ConfigError([Fault(str(directory), "the base directory does not exist")])
    try:
        return path.read_bytes()
    except FileNotFoundError:
        sample = path.with_name("master.cfg.sample")
        hint = (
            f"copy {sample.name} to {path.name} and edit it"
            if sample.exists()
            else "name the directory of a master that 'ci-master create-master' made, or the file"
        )
        what = f"configuration file '{path}' does not exist"
        raise ConfigError([Fault(path.name, what, hint)]) from None
    except OSError as error:
        what = f"unable to open configuration file '{path}': {error.strerror}"
        raise ConfigError([Fault(path.name, what)]) from error


def _given_by(
    path: Path, source: bytes, directory: Path, faults: list[Fault], places: KeyPlaces
) -> dict[str, Any]:
    """Run the file and return its ``BuildmasterConfig``.

    :raises ConfigError: if it did not run to its end, or defines none; with the faults that
        were collected until then.
    """
    names: dict[str, Any] = {
        "basedir": str(directory),
        "__file__": str(path),
        "__name__": "master_cfg",
    }
    try:
        exec(_compiled(path, source), names)
    except ConfigError as error:
        where = _fault_of(error, path, places).where
        raised = [fault if fault.where else replace(fault, where=where) for fault in error.faults]
        raise ConfigError(_in_order([*faults, *raised])) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
            raise  # Ctrl-C at a terminal; the thread of a reload gets it from the file alone
        fault = _fault_of(error, path, places)
        raise ConfigError(_in_order([*faults, fault])) from error
    given = names.get("BuildmasterConfig")
    if isinstance(given, dict):
        return given
    if given is None:
        what = f"Configuration file '{path}' does not define 'BuildmasterConfig'"
        near = nearest("BuildmasterConfig", names)
        hint = f"it defines '{near}'" if near else "begin it with: c = BuildmasterConfig = {}"
    else:
        what, hint = f"BuildmasterConfig must be a dictionary, not {shown(given)}", ""
    raise ConfigError([*faults, Fault(path.name, what, hint)])


def _compiled(path: Path, source: bytes) -> CodeType:
    return compile(source, str(path), "exec", dont_inherit=True)


def _fault_of(error: BaseException, path: Path, places: KeyPlaces) -> Fault:
    """What stopped the file: the line of the author's that did it, and the exception."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        name = _shown_name(error.filename or str(path), path)
        what, mend = what_failed(error, None)
        hint = "\n    ".join(part for part in ((error.text or "").strip(), mend) if part)
        return Fault(f"{name}:{error.lineno}", what, hint)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_authors(frame.filename, path)]
    what, mend = what_failed(error, own[-1] if own else None)
    if not own:
        return Fault(path.name, what, mend)
    last = own[-1]
    hint = last.line or places.source_line(last.lineno or 0)
    if frames[-1] is not last and not _is_ours(frames[-1].filename):
        hint += f"\n    raised in {frames[-1].filename}:{frames[-1].lineno}"
    hint = f"{hint}\n    {mend}" if mend else hint
    return Fault(f"{_shown_name(last.filename, path)}:{last.lineno}", what, hint)


def _is_authors(filename: str, path: Path) -> bool:
    return filename == str(path) or (
        filename.startswith(f"{path.parent}{os.sep}")
        and "site-packages" not in filename
        and not _is_ours(filename)
    )


def _is_ours(filename: str) -> bool:
    return f"{os.sep}ci_master{os.sep}" in filename or f"{os.sep}ci_common{os.sep}" in filename


def _shown_name(filename: str, path: Path) -> str:
    below = Path(filename)
    return str(below.relative_to(path.parent)) if below.is_relative_to(path.parent) else filename


def _check(check: Check) -> None:
    lists.run_configurators(check)
    for one in _CHECKS:
        try:
            one(check)
        except ConfigError as error:
            check.faults.extend(error.faults)


def _in_order(faults: list[Fault]) -> list[Fault]:
    """By line, each once."""

    def line(fault: Fault) -> tuple[str, int]:
        name, _, rest = fault.where.partition(":")
        digits = rest.split(",")[0]
        return name, whole_number(digits) or 0

    return sorted(dict.fromkeys(faults), key=line)
