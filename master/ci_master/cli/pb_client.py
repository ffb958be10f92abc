"""A short-lived PB connection to a running master, for commands."""

from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.internet import reactor
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.spread import pb

from ci_common.aio import to_deferred

TIMEOUT_S = 30

_UNAUTHORIZED = b"twisted.cred.error.UnauthorizedLogin"


def send_change(
    host: str, port: int, user: str, password: str, change: dict[str, Any]
) -> str | None:
    """Send a change and wait until the master has it. Runs the reactor, so: once per process.

    :returns: None, or what went wrong.
    """
    outcome: list[str | None] = []

    async def send() -> None:
        outcome.append(await _sent(host, port, user, password, change))

    def begin() -> None:
        work = to_deferred(send())
        work.addTimeout(TIMEOUT_S, reactor)
        work.addErrback(lambda failure: outcome.append(str(failure.value)))
        work.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    return outcome[0] if outcome else "interrupted"


async def _sent(
    host: str, port: int, user: str, password: str, change: dict[str, Any]
) -> str | None:
    factory = pb.PBClientFactory()
    endpoint = HostnameEndpoint(reactor, host, port)
    try:
        await endpoint.connect(factory)
        perspective: Any = await factory.login(UsernamePassword(user.encode(), password.encode()))
        await perspective.callRemote("addChange", change)
    except (ConnectError, DNSLookupError) as error:
        return f"cannot connect to {host}:{port}: {error}"
    except pb.RemoteError as error:
        if error.remoteType == _UNAUTHORIZED:
            return f"the master refuses the user '{user}' with that password (--auth)"
        return f"the master answers: {error}"
    factory.disconnect()
    return None
