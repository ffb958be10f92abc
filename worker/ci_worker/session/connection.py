"""Stay connected to the master: try, be connected, wait, try again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_common.retry import retry_wait_s
from ci_common.startup import is_awaited, report_failed, report_ready
from ci_worker.session.attempt import (
    Attempt,
    CannotConnect,
    LoginFailed,
    Rejected,
    WrongPassword,
)
from ci_worker.session.bot import Bot
from ci_worker.session.dial import Address
from ci_worker.session.keepalive import Keepalive

#: The first failures are answered fast: a master that restarts is back within a second.
_QUICK_TRIES = 5
_QUICK_LEAST_S, _QUICK_SPREAD_S = 0.1, 0.4

#: A wrong password is not going to be right soon.
_SLOW_LEAST_S, _SLOW_SPREAD_S = 30.0, 30.0

LONGEST_WAIT_S = 60.0

#: Where the system cannot probe connections and no keepalive is configured.
_FALLBACK_KEEPALIVE_S = 30.0


@dataclass(frozen=True)
class LoginAs:
    """Who we are, and how patient.

    :param keepalive_s: how often to ask whether the master is there; 0 or None for never.
    :param max_retries: give up after so many failures in a row; None for never.
    """

    name: str
    password: str
    keepalive_s: float | None = 30
    max_retries: int | None = None
    longest_wait_s: float = LONGEST_WAIT_S


def wait_s(attempt: int, chance: Callable[[], float], longest_s: float = LONGEST_WAIT_S) -> float:
    """How long to wait after ``attempt`` failures in a row."""
    if attempt <= _QUICK_TRIES:
        return _QUICK_LEAST_S + _QUICK_SPREAD_S * chance()
    return _QUICK_LEAST_S + retry_wait_s(attempt - _QUICK_TRIES, chance, longest_s)


class MasterConnection(Service):
    """Keeps one connection to the master.

    :param make_bot: makes the object that the master talks to, anew for each connection.
    :param stop: ends the process; called when there is no sense in going on.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        login: LoginAs,
        *,
        make_bot: Callable[[], Bot],
        stop: Callable[[], None],
        chance: Callable[[], float] = random.random,
        make_attempt: Callable[[Any, Address, Bot], Attempt] = Attempt,
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._login = login
        self._make_bot = make_bot
        self._stop = stop
        self._chance = chance
        self._make_attempt = make_attempt
        self._attempt: Attempt | None = None
        self._pause: Deferred[None] | None = None
        self._done: Deferred[Any] | None = None
        self._wants_shutdown = False

    @property
    def perspective(self) -> Any:
        """The master's side while we are logged in, else None."""
        return self._attempt.perspective if self._attempt is not None else None

    def startService(self) -> None:
        """Begin to connect."""
        super().startService()
        self._done = spawn(self._stay_connected(), self.log, "staying connected to the master")

    def stopService(self) -> Deferred[Any] | None:
        """Disconnect; fires when all commands are stopped."""
        super().stopService()
        if self._pause is not None:
            self._pause.cancel()
        if self._attempt is not None:
            self._attempt.close()
        return self._done

    def ask_for_shutdown(self) -> None:
        """Ask the master to give us no new builds, and to shut us down after the last.

        Without a master it is asked as soon as we are connected, and again after each reconnect.
        """
        self._wants_shutdown = True
        if self.perspective is None:
            self.log.info("not connected: the master will be asked for a shutdown later")
            return
        self.log.info("asking the master for a graceful shutdown")
        self.perspective.callRemote("shutdown").addErrback(
            lambda failure: self.log.failure("cannot ask for a shutdown", failure=failure)
        )

    async def _stay_connected(self) -> None:
        failures = 0
        while self.running:
            bot = self._make_bot()
            problem, wait = await self._one_connection(bot, failures + 1)
            if problem is None:
                failures = 0
                wait = wait_s(1, self._chance, self._login.longest_wait_s)
            else:
                failures += 1
            if not self.running or self._has_given_up(failures, problem):
                return
            await self._wait(wait)

    async def _one_connection(self, bot: Bot, tries: int) -> tuple[str | None, float]:
        """Why there was no connection (None if there was one), and how long to wait now."""
        attempt = self._attempt = self._make_attempt(self._reactor, self._address, bot)
        wait = wait_s(tries, self._chance, self._login.longest_wait_s)
        try:
            await attempt.login(self._login.name, self._login.password)
            await self._attached(attempt)
            return None, wait
        except WrongPassword:
            problem = (
                f"the master {self._address} does not know worker '{self._login.name}' "
                "with this password"
            )
            if is_awaited():
                hint = "compare both with the workers in its master.cfg, and mend buildbot.tac"
                self._end(f"{problem}: {hint}")
                return None, wait
            wait = _SLOW_LEAST_S + _SLOW_SPREAD_S * self._chance()
        except Rejected as error:
            self._end(f"the master {self._address} refuses us: {error}")
            return None, wait
        except LoginFailed as error:
            problem = f"the master {self._address} failed to attach us: {error}"
            wait = max(wait, _QUICK_LEAST_S + _SLOW_LEAST_S * self._chance())
        except CannotConnect as error:
            problem = f"cannot connect to the master {self._address}: {error}"
        finally:
            self._attempt = None
            await bot.abandon()
        if self.running:
            self.log.warn("{problem}; next try in {wait:.1f} s", problem=problem, wait=wait)
            report_ready(f"started, but {problem}; it keeps trying")
        return problem, wait

    async def _attached(self, attempt: Attempt) -> None:
        self.log.info("connected to the master {address}", address=self._address)
        report_ready(f"started, and connected to the master {self._address}")
        if self._wants_shutdown:
            self.ask_for_shutdown()
        keepalive_s = self._login.keepalive_s
        if not attempt.keep_tcp_alive():
            keepalive_s = keepalive_s or _FALLBACK_KEEPALIVE_S
        keepalive = None
        if keepalive_s:
            keepalive = Keepalive(
                self._reactor,
                keepalive_s,
                attempt.perspective,
                lambda why: self._lost(attempt, why),
            )
            keepalive.start()
        why = await attempt.over()
        if keepalive is not None:
            keepalive.stop()
        self.log.info("connection to the master is over: {why}", why=why)

    def _lost(self, attempt: Attempt, why: str) -> None:
        self.log.warn("the master does not answer: {why}", why=why)
        attempt.close()

    def _has_given_up(self, failures: int, problem: str | None) -> bool:
        most = self._login.max_retries
        if most is None or failures <= most:
            return False
        self._end(f"giving up after {failures} tries: {problem}")
        return True

    def _end(self, why: str) -> None:
        self.log.error("{why}", why=why)
        report_failed(why)
        self.running = False
        self._stop()

    async def _wait(self, seconds: float) -> None:
        self._pause = deferLater(self._reactor, seconds)
        try:
            await self._pause
        except CancelledError:
            if self.running:
                raise
        finally:
            self._pause = None
