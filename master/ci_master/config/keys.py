"""The keys of ``BuildmasterConfig`` whose values are plain: numbers, texts, functions."""

import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from ci_common.links import runs_script
from ci_master.config.check import Check, did_you_mean
from ci_master.config.model import DEFAULT_VALIDATION
from ci_master.storage.kinds import KINDS, kind_of, unsupported

Predicate = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_int_or_none(value: Any) -> bool:
    return value is None or _is_int(value)


def _is_callable_or_none(value: Any) -> bool:
    return value is None or callable(value)


def _is_switch(value: Any) -> bool:
    return value is None or isinstance(value, bool) or callable(value)


def _is_text_or_callable(value: Any) -> bool:
    return isinstance(value, str) or callable(value)


def _is_usage_data(value: Any) -> bool:
    return value is None or _is_text_or_callable(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | int)


#: key -> (what is accepted, how a fault says so)
PLAIN: dict[str, tuple[Predicate, str]] = {
    "title": (_is_text, "must be a string"),
    "titleURL": (_is_text, "must be a string"),
    "buildbotURL": (_is_text, "must be a string"),
    "buildbotNetUsageData": (_is_usage_data, "must be a string or callable"),
    "changeHorizon": (_is_int_or_none, "must be an int"),
    "logCompressionLimit": (_is_int, "must be an int"),
    "logEncoding": (_is_text_or_callable, "must be a string or callable"),
    "logMaxSize": (_is_int_or_none, "must be an int"),
    "logMaxTailSize": (_is_int_or_none, "must be an int"),
    "properties": (lambda value: isinstance(value, dict), "must be a dictionary"),
    "collapseRequests": (_is_switch, "must be a callable, True, or False"),
    "codebaseGenerator": (_is_callable_or_none, "must be a callable"),
    "prioritizeBuilders": (_is_callable_or_none, "must be a callable"),
    "select_next_worker": (_is_callable_or_none, "must be a callable"),
    "multiMaster": (_is_bool, "must be True or False"),
    "manhole": (lambda value: True, ""),
    "revlink": (_is_callable_or_none, "must be a callable"),
}

#: Keys that are checked by functions of their own, here and in the neighbouring modules.
OTHERS = frozenset(
    {
        "buildCacheSize",
        "builders",
        "caches",
        "change_source",
        "changeCacheSize",
        "codebases",
        "configurators",
        "db",
        "db_url",
        "logCompressionMethod",
        "machines",
        "metrics",
        "mq",
        "projects",
        "protocols",
        "schedulers",
        "secretsProviders",
        "services",
        "user_managers",
        "validation",
        "workers",
        "www",
    }
)

KNOWN = OTHERS | PLAIN.keys()

#: What became of keys that older Buildbots had.
REMOVED = {
    "slaves": "write c['workers'] = [worker.Worker(...)]",
    "slavePortnum": "write c['protocols'] = {'pb': {'port': 9989}}",
    "status": "write c['services'] = [reporters...]; pages are configured by c['www']",
    "mergeRequests": "write c['collapseRequests']",
    "projectName": "write c['title']",
    "projectURL": "write c['titleURL']",
    "sources": "write c['change_source']",
    "logHorizon": "remove it: this version deletes no logs",
    "buildHorizon": "remove it: this version deletes no builds",
    "eventHorizon": "remove it: there is nothing left that it limits",
    "debugPassword": "remove it: use c['manhole'] to look into a running master",
}

#: method -> the package that it needs, if any
COMPRESSION = {
    "raw": None,
    "bz2": None,
    "gz": None,
    "lz4": "lz4",
    "br": "brotli",
    "zstd": "zstandard",
}

DB_KEYS = ("db_url", "engine_kwargs")
METRICS_KEYS = ("log_interval", "periodic_interval")
MQ_KEYS = {
    "simple": ("type", "debug"),
    "wamp": ("type", "router_url", "realm", "wamp_debug_level"),
}
PROTOCOLS = ("pb", "msgpack_experimental_v7", "null", "wamp")


def check_names(check: Check) -> None:
    """Refuse keys that nothing reads: a misspelt key must not be silently without effect."""
    for key in sorted(map(str, check.given.keys() - KNOWN)):
        hint = REMOVED.get(key) or did_you_mean(key, KNOWN)
        check.fault(key, f"Unknown BuildmasterConfig key {key}", hint)


def check_plain(check: Check) -> None:
    """Every key of :data:`PLAIN`."""
    for key, (accepts, must) in PLAIN.items():
        check.keep(key, accepts, must)
    for key in ("titleURL", "buildbotURL"):
        url = getattr(check.config, key)
        if runs_script(url):
            check.fault(key, f"c['{key}'] is a script, not an address", "write 'https://...'")
        setattr(check.config, key, url if url.endswith("/") else url + "/")
    config = check.config
    config.logCompressionMethod = "zstd" if find_spec("zstandard") else "gz"
    _check_compression(check)
    if len(config.title) > 18:
        config.warnings.append(f"c['title'] is longer than 18 characters: {config.title!r}")


def _check_compression(check: Check) -> None:
    key = "logCompressionMethod"
    if key not in check.given:
        return
    method = check.given[key]
    if method not in COMPRESSION:
        must = "must be 'raw', 'bz2', 'gz', 'lz4', 'br' or 'zstd'"
        check.wrong_type(key, must, method)
        return
    package = COMPRESSION[method]
    if package and find_spec(package) is None:
        hint = f"install it (pip install {package}), or write 'gz'"
        check.fault(key, f"c['{key}'] is {method!r}, which needs the package {package}", hint)
        return
    check.config.logCompressionMethod = method


def check_validation(check: Check) -> None:
    """Regular expressions for what people type into forms."""
    given = check.dictionary("validation")
    if given is None:
        return
    unknown = sorted(given.keys() - DEFAULT_VALIDATION.keys())
    check.unknown_parts("validation", unknown, DEFAULT_VALIDATION, "unrecognized validation key(s)")
    for name in sorted(given.keys() & DEFAULT_VALIDATION.keys()):
        try:
            re.compile(given[name])
        except (re.error, TypeError) as error:
            check.fault("validation", f"the regular expression of {name!r} is wrong: {error}")
        else:
            check.config.validation[name] = given[name]


def check_db(check: Check) -> None:
    """``c['db']``, or its short form ``c['db_url']``."""
    given = check.dictionary("db")
    if given is None:
        if "db_url" in check.given:
            check.config.db["db_url"] = check.given["db_url"]
            _check_db_url(check, "db_url")
        return
    check.unknown_parts(
        "db", sorted(given.keys() - set(DB_KEYS)), DB_KEYS, "unrecognized keys in c['db']"
    )
    check.config.db.update({key: given[key] for key in DB_KEYS if key in given})
    _check_db_url(check, "db")
    if not isinstance(check.config.db["engine_kwargs"], dict):
        check.fault("db", "c['db']['engine_kwargs'] must be a dictionary")


def _check_db_url(check: Check, key: str) -> None:
    url = check.config.db["db_url"]
    if isinstance(url, str):
        if "://" not in url:
            hint = "for example 'sqlite:///state.sqlite' or 'postgresql://user:password@host/name'"
            check.fault(key, f"the database URL {url!r} has no '://'", hint)
        elif kind_of(url) not in KINDS:
            check.fault(key, unsupported(kind_of(url)))
    elif not hasattr(url, "getRenderingFor"):
        check.fault(key, "the database URL must be a string, or a Secret or Interpolate")


def check_mq(check: Check) -> None:
    """The message queue between masters."""
    given = check.dictionary("mq")
    if given is None:
        return
    kind = given.get("type", "simple")
    if kind not in MQ_KEYS:
        check.fault("mq", f"mq type '{kind}' is not known", did_you_mean(kind, MQ_KEYS))
        return
    if kind == "wamp":
        check.fault(
            "mq", "mq type 'wamp' is not available yet", "write c['mq'] = {'type': 'simple'}"
        )
        return
    unknown = sorted(given.keys() - set(MQ_KEYS[kind]))
    check.unknown_parts("mq", unknown, MQ_KEYS[kind], "unrecognized keys in c['mq']")
    check.config.mq = {"type": kind, **given}


def check_metrics(check: Check) -> None:
    """How often the master tells about itself."""
    given = check.dictionary("metrics")
    if given is None:
        return
    unknown = sorted(given.keys() - set(METRICS_KEYS))
    check.unknown_parts("metrics", unknown, METRICS_KEYS, "unrecognized keys in c['metrics']")
    check.config.metrics = {"log_interval": 60, "periodic_interval": 10, **given}


def check_caches(check: Check) -> None:
    """Sizes of caches, in the spelling of today or the one of old."""
    sizes: dict[str, Any] = dict(check.dictionary("caches") or {})
    for key, name in (("buildCacheSize", "Builds"), ("changeCacheSize", "Changes")):
        if key in check.given:
            if "caches" in check.given:
                check.fault(key, f"cannot specify c['caches'] and c['{key}']")
            else:
                sizes[name] = check.given[key]
    for name, size in sizes.items():
        if not _is_int(size):
            check.fault("caches", f"value for cache size '{name}' must be an integer")
        elif size < 1:
            check.fault("caches", f"'{name}' cache size must be at least 1, got '{size}'")
        else:
            check.config.caches[name] = size


def check_protocols(check: Check) -> None:
    """Where workers connect."""
    given = check.dictionary("protocols")
    if given is None:
        return
    for name, options in given.items():
        if not isinstance(name, str):
            check.fault("protocols", f"c['protocols'] keys must be strings, not {name!r}")
        elif not isinstance(options, dict):
            hint = f"write c['protocols'] = {{'{name}': {{'port': 9989}}}}"
            check.fault("protocols", f"c['protocols']['{name}'] must be a dictionary", hint)
        elif name not in PROTOCOLS:
            what = f"c['protocols'] names the unknown protocol '{name}'"
            check.fault("protocols", what, did_you_mean(name, PROTOCOLS))
        else:
            check.config.protocols[name] = options
    ports = [
        _port(options["port"]) for options in check.config.protocols.values() if "port" in options
    ]
    for port in _repeated(ports):
        check.fault("protocols", f"Some of ports in c['protocols'] duplicated: {port}")


def _port(given: Any) -> str:
    """A port in one spelling: ``9989`` and ``tcp:9989`` are the same."""
    text = str(given)
    return text.removeprefix("tcp:") if text.startswith("tcp:") else text


def _repeated(values: Iterable[str]) -> list[str]:
    listed = list(values)
    return sorted({value for value in listed if listed.count(value) > 1})


def listens_here_only(port: Any) -> bool:
    """Whether a port is for programs of this machine: its endpoint says so."""
    text = str(port).replace("\\:", ":")
    kind = text.partition(":")[0]
    interface = text.rpartition("interface=")[2] if "interface=" in text else ""
    return kind == "unix" or interface.startswith(("127.", "localhost", "::1", "0:0:0:0:0:0:0:1"))


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: what a browser calls its origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
