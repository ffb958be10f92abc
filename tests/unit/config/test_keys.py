"""Each key of BuildmasterConfig: what a wrong value is answered with."""

from pathlib import Path

import pytest

from ci_master.config.keys import COMPRESSION
from ci_master.storage.logchunks import METHODS
from tests.unit.config.minimal import MINIMAL, faults_of, load

#: (line 7 of the configuration, the faults)
WRONG = [
    (
        "c['foo'] = 1",
        [
            "master.cfg:7: Unknown BuildmasterConfig key foo",
        ],
    ),
    (
        "c['titel'] = c['bilders'] = 1",
        [
            "master.cfg:7: Unknown BuildmasterConfig key bilders\n    did you mean 'builders'?",
            "master.cfg:7: Unknown BuildmasterConfig key titel\n    did you mean 'title'?",
        ],
    ),
    (
        "c['debugPassword'] = 'x'",
        [
            "master.cfg:7: Unknown BuildmasterConfig key debugPassword\n"
            "    remove it: use c['manhole'] to look into a running master"
        ],
    ),
    (
        "c['slaves'] = []",
        [
            "master.cfg:7: Unknown BuildmasterConfig key slaves\n"
            "    write c['workers'] = [worker.Worker(...)]"
        ],
    ),
    ("c['title'] = 3", ["master.cfg:7: c['title'] must be a string, not 3 (int)"]),
    (
        "c['changeHorizon'] = 'x'",
        ["master.cfg:7: c['changeHorizon'] must be an int, not 'x' (str)"],
    ),
    (
        "c['logCompressionMethod'] = 'zip'",
        [
            "master.cfg:7: c['logCompressionMethod'] must be 'raw', 'bz2', 'gz', 'lz4', 'br' or"
            " 'zstd', not 'zip' (str)"
        ],
    ),
    (
        "c['mq'] = {'type': 'x'}",
        ["master.cfg:7: mq type 'x' is not known\n    known: simple, wamp"],
    ),
    (
        "c['mq'] = {'type': 'wamp', 'router_url': 'ws://x'}",
        [
            "master.cfg:7: mq type 'wamp' is not available yet\n"
            "    write c['mq'] = {'type': 'simple'}"
        ],
    ),
    (
        "c['db'] = {'db_url': 'mysql+pymysql://u:p@h/d'}",
        ["master.cfg:7: databases of the kind 'mysql' are not supported; use sqlite or postgresql"],
    ),
    (
        "c['mq'] = {'type': 'simple', 'zz': 1}",
        ["master.cfg:7: unrecognized keys in c['mq']: zz\n    known: debug, type"],
    ),
    (
        "c['db'] = {'x': 1}",
        ["master.cfg:7: unrecognized keys in c['db']: x\n    known: db_url, engine_kwargs"],
    ),
    (
        "c['db_url'] = 'state.sqlite'",
        [
            "master.cfg:7: the database URL 'state.sqlite' has no '://'\n"
            "    for example 'sqlite:///state.sqlite' or 'postgresql://user:password@host/name'"
        ],
    ),
    (
        "c['caches'] = {'Builds': 0}",
        ["master.cfg:7: 'Builds' cache size must be at least 1, got '0'"],
    ),
    (
        "c['caches'] = {'Builds': 'x'}",
        ["master.cfg:7: value for cache size 'Builds' must be an integer"],
    ),
    (
        "c['caches'] = {}; c['buildCacheSize'] = 3",
        ["master.cfg:7: cannot specify c['caches'] and c['buildCacheSize']"],
    ),
    (
        "c['validation'] = {'zz': '.*', 'branch': '('}",
        [
            "master.cfg:7: unrecognized validation key(s): zz\n"
            "    known: branch, property_name, property_value, revision",
            "master.cfg:7: the regular expression of 'branch' is wrong: missing ), unterminated"
            " subpattern at position 0",
        ],
    ),
    (
        "c['collapseRequests'] = 3",
        [
            "master.cfg:7: c['collapseRequests'] must be a callable, True, or False, not 3 (int)",
        ],
    ),
    (
        "c['secretsProviders'] = 3",
        [
            "master.cfg:7: c['secretsProviders'] must be a list, not 3 (int)\n"
            "    write c['secretsProviders'] = [...]"
        ],
    ),
    (
        "c['change_source'] = 3",
        [
            "master.cfg:7: c['change_source'] must be a list of change sources, not 3 (int)\n"
            "    write changes.PBChangeSource(...), changes.GitPoller(...) or another of changes"
        ],
    ),
    (
        "c['buildbotNetUsageData'] = 3",
        [
            "master.cfg:7: c['buildbotNetUsageData'] must be a string or callable, not 3 (int)",
        ],
    ),
    (
        "c['services'] = [3]",
        [
            "master.cfg:7: <class 'int'> object should be an instance of"
            " buildbot.util.service.BuildbotService\n"
            "    write one of reporters..., or subclass BuildbotService"
        ],
    ),
    (
        "c['schedulers'].append(3)",
        [
            "master.cfg:6: 3 (int) in c['schedulers'] is not a scheduler\n"
            "    write one of schedulers..., for example schedulers.AnyBranchScheduler(...)"
        ],
    ),
    ("c['metrics'] = 3", ["master.cfg:7: c['metrics'] must be a dictionary, not 3 (int)"]),
    ("c['properties'] = []", ["master.cfg:7: c['properties'] must be a dictionary, not [] (list)"]),
    ("c['revlink'] = 'x'", ["master.cfg:7: c['revlink'] must be a callable, not 'x' (str)"]),
    (
        "c['www'] = {'zz': 1}",
        [
            "master.cfg:7: unknown www configuration parameter(s) zz",
        ],
    ),
    (
        "c['www'] = {'versions': 3}",
        [
            "master.cfg:7: Invalid www configuration value of versions\n"
            "    write a list of tuples, for example [('compiler', '14.2')]"
        ],
    ),
    (
        "c['www'] = {'cookie_expiration_time': 3}",
        [
            'master.cfg:7: Invalid www["cookie_expiration_time"] configuration should be a'
            " datetime.timedelta\n    write datetime.timedelta(days=7)"
        ],
    ),
    (
        "c['www']['port'] = []",
        [
            "master.cfg:7: KeyError: c has no key 'www': it is used here before anything is"
            " assigned to it\n    c['www']['port'] = []\n    write c['www'] = {} above this line,"
            " or move this line below the one that does",
        ],
    ),
    (
        "c['protocols'] = {'pb': {'port': 1}, 'msgpack_experimental_v7': {'port': 'tcp:1'}}",
        ["master.cfg:7: Some of ports in c['protocols'] duplicated: 1"],
    ),
    (
        "c['protocols'] = {'bp': {'port': 1}, 'pb': {'port': 2}}",
        [
            "master.cfg:7: c['protocols'] names the unknown protocol 'bp'\n"
            "    known: msgpack_experimental_v7, null, pb, wamp"
        ],
    ),
    (
        "c['protocols'] = {'pb': 9989}",
        [
            "master.cfg:7: c['protocols']['pb'] must be a dictionary\n"
            "    write c['protocols'] = {'pb': {'port': 9989}}",
            "master.cfg:7: workers are configured, but c['protocols'] not\n"
            "    write c['protocols'] = {'pb': {'port': 9989}}",
        ],
    ),
    (
        "c['builders'].append(util)",
        [
            "master.cfg:5: <plugins of kind 'util'> (Namespace) in c['builders'] is not a builder\n"
            "    write util.BuilderConfig(name=..., workernames=[...], factory=...)"
        ],
    ),
    (
        "c['configurators'] = [3]",
        ["master.cfg:7: 3 (int) has no method configure"],
    ),
]


@pytest.mark.parametrize(("line", "faults"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_line(
    tmp_path: Path, line: str, faults: list[str]
) -> None:
    assert faults_of(tmp_path, MINIMAL + line + "\n") == faults


def test_what_is_absent_has_its_default(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert (config.title, config.titleURL) == ("Buildbot", "http://buildbot.net/")
    assert config.buildbotURL == "http://localhost:8080/"
    assert config.db == {"db_url": "sqlite:///state.sqlite", "engine_kwargs": {}}
    assert config.caches == {"Builds": 15, "Changes": 10}
    assert config.mq == {"type": "simple"}
    assert config.www["allowed_origins"] == ["http://localhost:8080"]
    assert config.www["logfileName"] == "http.log"


def test_what_is_given_is_kept(tmp_path: Path) -> None:
    lines = """
c['title'] = 'Mine'
c['buildbotURL'] = 'https://CI.example.org/x'
c['db_url'] = 'postgresql://localhost/ci'
c['buildCacheSize'] = 3
c['www'] = {'port': 8010}
c['properties'] = {'a': 1}
"""
    config = load(tmp_path, MINIMAL + lines)
    assert config.buildbotURL == "https://CI.example.org/x/"
    assert config.db_url == "postgresql://localhost/ci"
    assert config.caches == {"Builds": 3, "Changes": 10}
    assert (config.title, config.properties) == ("Mine", {"a": 1})
    assert config.www["port"] == 8010
    assert config.www["allowed_origins"] == ["https://ci.example.org"]


def test_two_loads_share_no_defaults(tmp_path: Path) -> None:
    first = load(tmp_path, MINIMAL)
    first.www["plugins"]["x"] = 1
    first.caches["Builds"] = 1
    second = load(tmp_path, MINIMAL)
    assert second.www["plugins"] == {}
    assert second.caches["Builds"] == 15


def test_a_long_title_is_only_warned_of(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "c['title'] = 'a title of more than 18'\n")
    assert config.warnings == ["c['title'] is longer than 18 characters: 'a title of more than 18'"]


def test_a_configurator_may_change_the_configuration(tmp_path: Path) -> None:
    lines = """
class Titled:
    def configure(self, config_dict):
        config_dict['title'] = 'By configurator'
c['configurators'] = [Titled()]
"""
    assert load(tmp_path, MINIMAL + lines).title == "By configurator"


def test_a_plugin_of_the_pages_that_is_not_there_is_only_warned_of(tmp_path: Path) -> None:
    lines = "c['www'] = {'plugins': {'waterfall_view': {}, 'travis': {}}}\n"
    assert load(tmp_path, MINIMAL + lines).warnings == [
        "c['www']['plugins'] names travis, which this version does not have: without effect"
    ]


def test_every_method_of_compression_that_the_check_takes_can_be_used() -> None:
    assert COMPRESSION.keys() == METHODS.keys()


@pytest.mark.parametrize("key", ["auth", "authz"])
def test_who_wants_logins_is_warned_that_nobody_may_act(tmp_path: Path, key: str) -> None:
    config = load(tmp_path, MINIMAL + f"c['www'] = {{'port': 8010, '{key}': object()}}\n")
    (warning,) = config.warnings
    assert warning.startswith(f"c['www']['{key}'] is configured, but this version has no logins")
    assert config.www[key] is not None


def test_an_author_who_wants_no_logins_gets_none(tmp_path: Path) -> None:
    lines = "class NoAuth: pass\nc['www'] = {'port': 8010, 'auth': NoAuth()}\n"
    config = load(tmp_path, MINIMAL + lines)
    assert (config.warnings, config.www["auth"]) == ([], None)


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        ("c['changeHorizon'] = 100", "c['changeHorizon'] has no effect yet"),
        ("c['manhole'] = object()", "c['manhole'] has no effect yet"),
        (
            "c['www'] = {'port': 1, 'change_hook_auth': False,"
            " 'change_hook_dialects': {'github': {'secret': 'x'}, 'base': True,"
            " 'mine': {'custom_class': object}}}",
            "c['www']['change_hook_dialects'] names github, which this version does not have:"
            " what is sent to such a change hook is refused",
        ),
        ("c['metrics'] = {}", "c['metrics'] has no effect yet"),
        (
            "c['protocols']['msgpack_experimental_v7'] = {'port': 9990}",
            "c['protocols']['msgpack_experimental_v7']: this version does not speak that protocol,"
            " so no worker can connect by it; write c['protocols'] = {'pb': {'port': 9989}}",
        ),
    ],
)
def test_what_has_no_effect_yet_is_warned_of(tmp_path: Path, lines: str, warning: str) -> None:
    assert load(tmp_path, MINIMAL + lines + "\n").warnings == [warning]


@pytest.mark.parametrize(
    "lines",
    [
        "c['caches'] = {'Builds': 3}",
        "c['buildCacheSize'] = 3",
        "c['changeHorizon'] = c['manhole'] = c['metrics'] = None",
        "c['user_managers'] = c['machines'] = []",
        "c['mq'] = {'type': 'simple'}",
    ],
)
def test_what_nobody_would_miss_is_not_warned_of(tmp_path: Path, lines: str) -> None:
    assert load(tmp_path, MINIMAL + lines + "\n").warnings == []


AUTH = "util.RemoteUserAuth(header='X-Remote-User', headerRegex='(?P<username>.+)')"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"c['www'] = {{'port': 1, 'auth': {AUTH}}}", "trusted_proxies'] = ['127.0.0.1']"),
        ("c['www'] = {'trusted_proxies': '127.0.0.1'}", "must be a list of addresses"),
        ("c['www'] = {'trusted_proxies': ['proxy.example']}", "'proxy.example', which is not an"),
        ("c['www'] = {'trusted_proxies': ['10.1.2.3/8']}", "has host bits set"),
        ("util.RemoteUserAuth(header='a b')", "is not the name of one"),
        ("util.RemoteUserAuth(headerRegex='(')", "is not a regular expression"),
        ("util.RemoteUserAuth(headerRegex='.+')", "has no group 'username'"),
        ("util.RemoteUserAuth(userInfoProvider=1)", "userInfoProvider is not supported"),
        ("c['buildbotURL'] = 'https://host/builders/'", "pages of its own"),
        ("c['buildbotURL'] = 'https://host/a b/'", "cannot be used"),
        ("c['buildbotURL'] = 'https://host/../'", "cannot be used"),
        ("c['buildbotURL'] = 'https://host//x/'", "cannot be used"),
    ],
)
def test_what_cannot_stand_behind_a_proxy_is_said(tmp_path: Path, line: str, said: str) -> None:
    faults = faults_of(tmp_path, MINIMAL + line)
    assert len(faults) == 1 and said in faults[0], faults
    assert "master.cfg:7" in faults[0]


def test_a_site_behind_a_proxy_is_accepted(tmp_path: Path) -> None:
    line = (
        f"c['www'] = {{'port': 1, 'auth': {AUTH}}}"
        "\nc['www']['trusted_proxies'] = ['127.0.0.1', 'unix', '::/0']"
        "\nc['buildbotURL'] = 'https://host/ci/sub-2/'"
    )
    config = load(tmp_path, MINIMAL + line)
    assert not [one for one in config.warnings if "logins" in one]
