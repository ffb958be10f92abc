"""Which database a master's configuration names."""

from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

from ci_master.cli.problem import Problem

if TYPE_CHECKING:
    from ci_master.config.model import Config


def database_of(config: "Config") -> str:
    """The database URL of a loaded configuration; secrets in it are looked up.

    :raises Problem: if a secret is not found.
    """
    url = config.db_url
    if isinstance(url, str):
        return url
    outcome = _outcome(_rendered(url, config.secretsProviders))
    if isinstance(outcome, Failure):
        error = outcome.value
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise Problem(f"the database URL of the configuration cannot be worked out: {reason}")
    if not isinstance(outcome, str):
        raise Problem("the database URL of the configuration does not become a string")
    return outcome


def shown_database(config: "Config", otherwise: str) -> str:
    """The URL for a file that people read: ``otherwise`` if there are secrets in it."""
    return config.db_url if isinstance(config.db_url, str) else otherwise


def load(basedir: Path, config_name: str) -> "Config":
    """A master's configuration.

    :raises ConfigError: if it has faults.
    """
    from ci_master.config.load import load_config

    return load_config(basedir, config_name)


async def _rendered(url: Any, providers: list[Any]) -> Any:
    """The URL with its secrets, from providers that are started for this alone."""
    from ci_master.builds.properties import Properties
    from ci_master.secrets.registry import Secrets

    secrets = Secrets(providers)
    properties = Properties()
    properties.secrets = secrets
    try:
        return await properties.render(url)
    finally:
        await secrets.stop()


def _outcome(work: Awaitable[Any]) -> Any:
    """What it comes to, or its Failure. The reactor runs only if a provider waits for it."""
    from ci_common.aio import to_deferred

    outcomes: list[Any] = []
    done = to_deferred(work).addBoth(outcomes.append)
    if not outcomes:
        from twisted.internet import reactor

        any_reactor: Any = reactor
        done.addBoth(lambda _: any_reactor.stop())
        any_reactor.run()
    if not outcomes:
        raise Problem("interrupted while the secrets of the database URL were looked up")
    return outcomes[0]
