"""What is shown when there is nothing to show: not found, refused, failed."""

from dataclasses import dataclass, field

from ci_www.pages.page import Page
from ci_www.pages.words import Kind

_TITLES = {
    400: "This cannot be understood",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible",
    409: "Not now",
    500: "Something broke",
    501: "Not supported",
}


@dataclass(slots=True)
class Problem:
    """What went wrong, in words, and where to go on."""

    status: int
    what: str
    nearest: list[tuple[str, str]] = field(default_factory=list)
    retry: str = ""

    @property
    def title(self) -> str:
        """A few words for the status."""
        return _TITLES.get(self.status, "This did not work")


def problem_page(problem: Problem) -> Page:
    """The page for a problem."""
    kind: Kind = "exception" if problem.status >= 500 else "none"
    return Page("problem.html", problem.title, problem, kind=kind, status=problem.status)
