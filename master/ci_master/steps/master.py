"""Steps that need no worker and run no program: properties, logs, checks."""

import pprint
from typing import Any

from ci_common.results import FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.steps.mastershell import MasterShellCommand

__all__ = [
    "Assert",
    "LogRenderable",
    "MasterShellCommand",
    "SetProperties",
    "SetPropertiesFromEnv",
    "SetProperty",
]


class SetProperty(BuildStep):
    """Set one property.

    :param property: the name of the property.
    :type property: string or renderable
    :param value: the value of the property; renderables in it are filled in.
    :type value: any
    """

    name = "SetProperty"
    description = ["Setting"]
    descriptionDone = ["Set"]
    renderables = ("property", "value")

    def __init__(self, property: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.property = property
        self.value = value

    async def run(self) -> int:
        """Set it."""
        self.setProperty(self.property, self.value, self.name, runtime=True)
        return SUCCESS


class SetProperties(BuildStep):
    """Set properties from a dict, or from a renderable that gives one.

    :param properties: names and values of the properties.
    :type properties: dictionary or renderable
    """

    name = "SetProperties"
    description = ["Setting Properties.."]
    descriptionDone = ["Properties Set"]
    renderables = ("properties",)

    def __init__(self, properties: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.properties = properties

    async def run(self) -> int:
        """Set them."""
        if self.properties is None:
            return SUCCESS
        for name, value in self.properties.items():
            self.setProperty(name, value, self.name, runtime=True)
        return SUCCESS


class SetPropertiesFromEnv(BuildStep):
    """Set properties from the worker's environment, as it was when the worker came.

    :param variables: names of environment variables; on Windows their case does not matter.
    :type variables: string or list of strings
    :param source: where the properties came from, as shown in the page of the build.
    """

    name = "SetPropertiesFromEnv"
    description = ["Setting"]
    descriptionDone = ["Set"]

    def __init__(self, variables: Any, source: str = "WorkerEnvironment", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.variables = variables
        self.source = source

    async def run(self) -> int:
        """Set those that are there."""
        windows = self.worker.worker_system in ("nt", "win32")
        environ: dict[str, str] = dict(self.worker.worker_environ)
        if windows:
            environ = {key.upper(): value for key, value in environ.items()}
        names = [self.variables] if isinstance(self.variables, str) else self.variables
        lines = []
        for name in names:
            value = environ.get(name.upper() if windows else name)
            if value:
                self.setProperty(name, value, self.source, runtime=True)
                lines.append(f"{name} = {value!r}")
        await self.addCompleteLog("properties", "\n".join(lines))
        return SUCCESS


class LogRenderable(BuildStep):
    """Write a value, with everything filled in, to a log.

    :param content: what is written to the log ``Output``, with its renderables filled in.
    :type content: any
    """

    name = "LogRenderable"
    description = ["Logging"]
    descriptionDone = ["Logged"]
    renderables = ("content",)

    def __init__(self, content: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.content = content

    async def run(self) -> int:
        """Write it."""
        await self.addCompleteLog("Output", pprint.pformat(self.content))
        return SUCCESS


class Assert(BuildStep):
    """Fail if a condition does not hold once everything is filled in.

    :param check: the value that has to be true once it is filled in, such as
        ``util.Property("branch") == "main"``.
    :type check: any
    """

    name = "Assert"
    description = ["Checking.."]
    descriptionDone = ["checked"]
    renderables = ("check",)

    def __init__(self, check: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.descriptionDone = [f"checked {check!r}"]

    async def run(self) -> int:
        """Check it."""
        return SUCCESS if self.check else FAILURE
