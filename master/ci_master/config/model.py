"""The configuration as the rest of the master sees it: complete, checked and typed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DEFAULT_DB_URL = "sqlite:///state.sqlite"
DEFAULT_VALIDATION = {
    "branch": r"^[\w.+/~-]*$",
    "revision": r"^[ \w\.\-/]*$",
    "property_name": r"^[\w\.\-/~:]*$",
    "property_value": r"^[\w\.\-/~:]*$",
}


@dataclass
class Config:
    """One loaded master.cfg. Attributes carry the names of the configuration's keys.

    ``schedulers`` and ``services`` are by name; what is listed is in the order of the file.
    """

    filename: str = "master.cfg"
    title: str = "Buildbot"
    titleURL: str = "http://buildbot.net/"
    buildbotURL: str = "http://localhost:8080/"
    buildbotNetUsageData: str | Callable[..., Any] | None = None
    changeHorizon: int | None = None
    logCompressionLimit: int = 4096
    logCompressionMethod: str = "zstd"
    logEncoding: str | Callable[[bytes], str] = "utf-8"
    logMaxSize: int | None = None
    logMaxTailSize: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    collapseRequests: bool | Callable[..., Any] | None = None
    codebaseGenerator: Callable[[dict[str, Any]], str] | None = None
    prioritizeBuilders: Callable[..., Any] | None = None
    select_next_worker: Callable[..., Any] | None = None
    protocols: dict[str, dict[str, Any]] = field(default_factory=dict)
    multiMaster: bool = False
    manhole: Any = None
    revlink: Callable[[str, str], str | None] | None = None
    validation: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_VALIDATION))
    db: dict[str, Any] = field(
        default_factory=lambda: {"db_url": DEFAULT_DB_URL, "engine_kwargs": {}}
    )
    mq: dict[str, Any] = field(default_factory=lambda: {"type": "simple"})
    metrics: dict[str, Any] | None = None
    secretsProviders: list[Any] = field(default_factory=list)
    caches: dict[str, int] = field(default_factory=lambda: {"Builds": 15, "Changes": 10})
    schedulers: dict[str, Any] = field(default_factory=dict)
    projects: list[Any] = field(default_factory=list)
    codebases: list[Any] = field(default_factory=list)
    builders: list[Any] = field(default_factory=list)
    workers: list[Any] = field(default_factory=list)
    change_sources: list[Any] = field(default_factory=list)
    machines: list[Any] = field(default_factory=list)
    user_managers: list[Any] = field(default_factory=list)
    www: dict[str, Any] = field(default_factory=dict)
    services: dict[str, Any] = field(default_factory=dict)
    #: What its author should mend, and what they should know.
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: The modules that this load brought (ci_master.config.modules.LoadedModules).
    modules: Any = field(default=None, repr=False, compare=False)
    #: Where the file sets which key (ci_master.config.places.KeyPlaces).
    places: Any = field(default=None, repr=False, compare=False)

    @property
    def db_url(self) -> Any:
        """Where the state is kept; a string, or something to be rendered with secrets."""
        return self.db["db_url"]
