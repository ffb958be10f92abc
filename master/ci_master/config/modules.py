"""Modules that master.cfg imports from its own directory: fresh at every load."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType

_OURS = frozenset({"ci_common", "ci_master", "ci_worker", "ci_www", "__main__"})


@contextmanager
def fresh_modules(basedir: Path) -> Generator[None, None, None]:
    """While a configuration runs: ``basedir`` is on ``sys.path``, and its modules load anew.

    If the block raises, the modules and the path are put back: what runs goes on with the
    code that it has.
    """
    path_before = list(sys.path)
    forgotten = {name: sys.modules.pop(name) for name in _modules_below(basedir)}
    invalidate_caches()
    sys.path.append(str(basedir))
    try:
        yield
    except BaseException:
        for name in _modules_below(basedir):
            del sys.modules[name]
        sys.modules.update(forgotten)
        sys.path[:] = path_before
        raise
    added = [entry for entry in sys.path if entry not in path_before and entry != str(basedir)]
    sys.path[:] = [*dict.fromkeys(added), *path_before]


def _modules_below(basedir: Path) -> list[str]:
    """Names of the loaded modules that are the configuration's own."""
    root = str(basedir)
    return [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _OURS and _is_below(module, root)
    ]


def _is_below(module: ModuleType | None, root: str) -> bool:
    filename = getattr(module, "__file__", None)
    if not filename or not filename.startswith(root):
        return False
    parts = Path(filename).relative_to(root).parts if filename.startswith(root + "/") else ()
    return bool(parts) and "site-packages" not in parts and "dist-packages" not in parts
