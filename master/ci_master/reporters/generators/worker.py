"""Reports of workers that are missing."""

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ci_common.aio import call_override
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.utils import Report
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.message import MessageFormatterMissingWorker


@implementer(IReportGenerator)
class WorkerMissingGenerator(Recorded):
    """Reports workers that are away for too long, to their ``notify_on_missing`` addresses.

    :param workers: "all", or a list of the workers that are reported.
    :type workers: string or list of strings
    :param message_formatter: makes the message; None stands for a
        ``MessageFormatterMissingWorker`` without arguments.
    :type message_formatter: formatter or None
    """

    wanted_event_keys = [("workers", None, "missing")]

    def __init__(self, workers: Any = "all", message_formatter: Any = None) -> None:
        self.workers = workers
        self.formatter = message_formatter or MessageFormatterMissingWorker()

    def check(self) -> None:
        """Report what is wrong with the arguments."""
        if self.workers != "all" and not isinstance(self.workers, list | tuple | set | frozenset):
            configFault(
                f"workers of WorkerMissingGenerator is {self.workers!r}",
                "write 'all' or a list of names",
            )

    def generate_name(self) -> str:
        """The class and the workers."""
        which = self.workers if self.workers == "all" else "+".join(sorted(self.workers))
        return f"{type(self).__name__}_{which}"

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, worker: Mapping[str, Any]
    ) -> Report | None:
        """The report of a missing worker, if there is someone to tell."""
        if not worker.get("notify"):
            return None
        if self.workers != "all" and worker["name"] not in self.workers:
            return None
        made = await call_override(self.formatter.formatMessageForMissingWorker, master, worker)
        return {
            **made,
            "results": None,
            "builds": None,
            "buildset": None,
            "users": list(worker["notify"]),
            "patches": None,
            "logs": None,
            "worker": worker["name"],
        }
