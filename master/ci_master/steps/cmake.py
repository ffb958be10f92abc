"""A step that runs CMake."""

from collections.abc import Mapping, Sequence
from typing import Any

from ci_common.results import CANCELLED
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.faults import configFault
from ci_master.builds.rendering import is_renderable

__all__ = ["CMake"]


class CMake(ShellMixin, BuildStep):
    """Let CMake write build files.

    :param path: the directory of the sources, or of an earlier build.
    :type path: string, renderable or None
    :param generator: which kind of build files CMake writes (``-G``).
    :type generator: string, renderable or None
    :param definitions: entries of the cache, each given by ``-D``.
    :type definitions: dictionary, renderable or None
    :param options: further arguments.
    :type options: list, renderable or None
    :param cmake: the program.
    :type cmake: string or renderable
    """

    DEFAULT_CMAKE = "cmake"

    name = "cmake"
    description: Any = ["running", "cmake"]
    descriptionDone: Any = ["cmake"]
    renderables = ("cmake", "definitions", "generator", "options", "path")
    haltOnFailure = True

    def __init__(
        self,
        path: Any = None,
        generator: Any = None,
        definitions: Any = None,
        options: Any = None,
        cmake: Any = DEFAULT_CMAKE,
        **kwargs: Any,
    ) -> None:
        _check("definitions", definitions, Mapping, "a dict")
        _check("options", options, (list, tuple), "a list")
        self.path = path
        self.generator = generator
        self.definitions = definitions
        self.options = options
        self.cmake = cmake
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))

    async def run(self) -> int:
        """Run it."""
        words: list[Any] = [self.cmake]
        if self.generator:
            words += ["-G", self.generator]
        if self.path:
            words.append(self.path)
        words += [f"-D{name}={value}" for name, value in (self.definitions or {}).items()]
        options: Sequence[Any] = self.options or ()
        command = await self.makeRemoteShellCommand(command=[*words, *options])
        await self.runCommand(command)
        return CANCELLED if self.stopped else int(command.results())


def _check(name: str, value: Any, kinds: Any, wanted: str) -> None:
    if value is not None and not is_renderable(value) and not isinstance(value, kinds):
        configFault(f"'{name}' of a CMake step is {value!r}", f"write {wanted}")
