"""How the faults of a configuration are told: alike in the terminal, the log and the pages."""

from ci_common.faults import ConfigError


def report(filename: str, error: ConfigError, *, is_running: bool = False) -> str:
    """All faults of a load, with a heading.

    :param is_running: whether a master runs, and goes on with the configuration that it has.
    """
    count = len(error.faults)
    heading = f"{filename} has {count} fault{'s' if count != 1 else ''}"
    heading += "; the running configuration stays as it is." if is_running else ":"
    return "\n".join([heading, *map(str, error.faults)])
