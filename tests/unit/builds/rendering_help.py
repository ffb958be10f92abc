"""What the tests of rendering share: a build of our own making, and rendering at once."""

from dataclasses import dataclass, field
from typing import Any

from twisted.python.failure import Failure

from ci_master.builds.properties import Properties
from ci_master.secrets import SecretDetails


@dataclass
class SourceStamp:
    codebase: str = ""
    branch: str | None = None
    revision: str | None = "r1"
    repository: str = "git://x"
    project: str = ""


@dataclass
class FakeBuild:
    sourcestamps: list[SourceStamp] = field(default_factory=list)
    worker_info: dict[str, Any] = field(default_factory=dict)

    def getUrl(self) -> str:
        return "http://ci/#/builders/1/builds/2"

    def getAllSourceStamps(self) -> list[SourceStamp]:
        return self.sourcestamps

    def getWorkerInfo(self) -> dict[str, Any]:
        return self.worker_info


class FakeSecrets:
    def __init__(self, **values: str) -> None:
        self.values = values

    async def get(self, name: str) -> SecretDetails | None:
        value = self.values.get(name)
        return None if value is None else SecretDetails("fake", name, value)


def properties(**values: Any) -> Properties:
    props = Properties()
    props.update(values, "test")
    props.secrets = FakeSecrets(key="s3cret")
    props.build = FakeBuild(
        [SourceStamp(branch=None), SourceStamp(codebase="lib", branch="main", revision="r2")],
        {"admin": "me", "note": None, "empty": ""},
    )
    return props


def rendered(value: Any, props: Properties | None = None, **values: Any) -> Any:
    """The rendered value; raises what the rendering failed with."""
    results: list[Any] = []
    used = properties(**values) if props is None else props
    used.render(value).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result
