"""All secret providers, in the order in which they are asked."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ci_common.aio import call_override, within
from ci_common.transition import Transition
from ci_master.secrets.base import SecretDetails, SecretProviderBase

__all__ = ["Secrets"]

#: Seconds that a provider may take to start, or to stop.
ANSWER_S = 40.0


class Secrets:
    """Finds secrets in the providers of the running configuration.

    Values are not kept: a secret that changes is seen by the next build.

    :param in_thread: ``in_thread(function, *args)`` runs blocking work of providers.
    :param master: the public facade, for users' own providers.
    :param clock: counts the time that a provider may take; None: it may take any time.
    """

    def __init__(
        self,
        providers: Sequence[SecretProviderBase] = (),
        *,
        in_thread: Callable[..., Any] | None = None,
        master: Any = None,
        clock: IReactorTime | None = None,
    ) -> None:
        self.providers: list[SecretProviderBase] = []
        self._in_thread = in_thread
        self._master = master
        self._clock = clock
        self._fresh = list(providers)

    async def start(self) -> None:
        """Start the providers given to the constructor."""
        fresh, self._fresh = self._fresh, []
        await self.replace(fresh)

    async def replace(self, providers: Sequence[SecretProviderBase]) -> None:
        """Use these from now on. Those that are already in use are left alone."""
        change = Transition()
        await self.prepare(providers, change)
        self.change(providers, change)
        await change.finish()

    async def prepare(self, providers: Sequence[SecretProviderBase], change: Transition) -> None:
        """Start those of the providers that are not in use yet; nobody asks them so far."""
        for provider in providers:
            if not any(provider is used for used in self.providers):
                change.undo_by(
                    f"secret provider '{provider.name}'",
                    partial(self._in_time, provider.stopService),
                )
                await self._begin(provider)

    def change(self, providers: Sequence[SecretProviderBase], change: Transition) -> None:
        """Use these from now on, after :meth:`prepare`."""
        former = self.providers
        change.undo_by("the secret providers", lambda: setattr(self, "providers", former))
        self.providers = list(providers)
        for provider in former:
            if not any(provider is wanted for wanted in providers):
                change.finally_do(
                    f"secret provider '{provider.name}'",
                    partial(self._in_time, provider.stopService),
                )

    async def stop(self) -> None:
        """Stop all providers; no secret is found any more."""
        await self.replace([])

    async def get(self, name: str) -> SecretDetails | None:
        """The secret from the first provider that has it; None if none has."""
        if self._fresh:
            await self.start()
        for provider in self.providers:
            value = await call_override(provider.get, name)
            if value is not None:
                return SecretDetails(str(provider.name), name, value)
        return None

    async def _begin(self, provider: SecretProviderBase) -> None:
        if self._in_thread is not None:
            provider.in_thread = self._in_thread
        provider.master = self._master
        await self._in_time(
            provider.reconfigService, *provider.service_args, **provider.service_kwargs
        )
        await self._in_time(provider.startService)

    async def _in_time(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        work = call_override(method, *args, **kwargs)
        await (work if self._clock is None else within(self._clock, ANSWER_S, work))
