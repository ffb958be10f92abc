"""What a reporter expects of those that plug into it."""

from typing import Any

from zope.interface import Attribute, Interface


class IReportGenerator(Interface):
    """Chooses events, and makes reports of them."""

    wanted_event_keys = Attribute("patterns of event keys; None stands for any one segment")

    def check() -> Any:
        """Report what is wrong with the arguments, by ``configFault``."""

    def generate(master: Any, reporter: Any, key: Any, message: Any) -> Any:
        """A report, or None if there is nothing to say of this event; may be awaited.

        A report is a dict: body, subject, type ("plain", "html" or "json"), results, builds,
        buildset, users, patches, logs, extra_info.
        """

    def generate_name() -> Any:
        """A name that tells generators of the same class apart."""


class IEmailLookup(Interface):
    """Finds the e-mail address of a user."""

    def getAddress(user: Any) -> Any:
        """The address of that user, None if there is none; may be awaited."""
