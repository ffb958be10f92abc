"""What may go wrong in a step or with its worker, as exceptions that steps raise."""

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost

#: What says that the connection to the worker is gone.
LOST = (ConnectionLost, ConnectionDone, ConnectionAborted)


class BuildStepFailed(Exception):
    """Raised in a step's ``run``: its result is FAILURE, with nothing more to say."""


class BuildStepCancelled(Exception):
    """Raised in a step's ``run``: its result is CANCELLED."""


class CallableAttributeError(Exception):
    """An attribute of a step that should decide something could not be called."""


class WorkerSetupError(Exception):
    """The worker lacks something that the step needs."""


class PreparationFailed(Exception):
    """A build could not begin on its worker.

    :param doing: what was being done, for the text of the step.
    :param text: for the text of the build.
    :param results: what the build comes to.
    """

    def __init__(self, doing: str, text: str, results: int) -> None:
        super().__init__(text)
        self.doing = doing
        self.text = text
        self.results = results
