"""Where people are told to look for the pages."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from ci_master.app.ports import web_url
from ci_master.config.model import Config


@pytest.mark.parametrize(
    ("url", "port", "address", "wanted"),
    [
        (None, 8010, IPv4Address("TCP", "0.0.0.0", 8010), "http://localhost:8010/"),
        (None, "tcp:0", IPv4Address("TCP", "127.0.0.1", 4711), "http://localhost:4711/"),
        (None, "ssl:8443", IPv4Address("TCP", "0.0.0.0", 8443), "https://localhost:8443/"),
        (None, "tcp:80", IPv4Address("TCP", "192.0.2.7", 80), "http://192.0.2.7:80/"),
        (None, "tcp6:80", IPv6Address("TCP", "2001:db8::1", 80), "http://[2001:db8::1]:80/"),
        (None, "unix:/s", UNIXAddress(b"/s"), "http://localhost:8080/"),
        (None, 8010, None, "http://localhost:8080/"),
        ("https://ci.example/", 8010, IPv4Address("TCP", "0.0.0.0", 8010), "https://ci.example/"),
    ],
)
def test_the_address_is_the_configured_one_or_where_the_server_listens(
    url: str | None, port: object, address: object, wanted: str
) -> None:
    config = Config(www={"port": port})
    if url is not None:
        config.buildbotURL = url
    assert web_url(config, address) == wanted
