"""Whether a worker is here: the states of its connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder


class Presence(Protocol):
    """What may happen to the connection of one worker."""

    def came(self) -> None:
        """It has logged in, and is being introduced."""

    def ready(self) -> None:
        """It may get builds from now on."""

    def lost(self) -> None:
        """The connection is gone."""


@dataclass(frozen=True)
class PresenceEffects:
    """What follows for others: given in, so that a test can record it."""

    arrived: Callable[[], None]  # store it, offer the worker to the queue
    departed: Callable[[], None]  # store it, tell the builds, wait for it to come back


def presence_machine() -> Callable[[PresenceEffects], Presence]:
    """Build the machine. What has no transition here (a second worker while one is being
    introduced) raises ``automat.NoTransition``: whoever came second is closed.
    """
    machine = TypeMachineBuilder(Presence, PresenceEffects)
    away, greeting, here = map(machine.state, ("away", "greeting", "here"))

    away.upon(Presence.came).to(greeting).returns(None)
    away.upon(Presence.lost).to(away).returns(None)
    greeting.upon(Presence.lost).to(away).returns(None)

    @greeting.upon(Presence.ready).to(here)
    def arrived(presence: Presence, effects: PresenceEffects) -> None:
        effects.arrived()

    @here.upon(Presence.lost).to(away)
    def departed(presence: Presence, effects: PresenceEffects) -> None:
        effects.departed()

    return machine.build()


new_presence = presence_machine()
