"""Which addresses can be used, and how headers show them."""

from email import message_from_string, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_master.reporters.addresses import (
    MailAddress,
    Unusable,
    address_header,
    distinct,
    parse_address,
    split_addresses,
)


@pytest.mark.parametrize(
    ("text", "name", "bare"),
    [
        ("ann@example.org", "", "ann@example.org"),
        (" ann@example.org\n", "", "ann@example.org"),
        ("Ann <ann@example.org>", "Ann", "ann@example.org"),
        ("Doe, Ann <ann@example.org>", "Doe, Ann", "ann@example.org"),
        ('"Doe, \\"A\\" Ann" <ann@example.org>', 'Doe, "A" Ann', "ann@example.org"),
        ("Jörg Müller <j@example.org>", "Jörg Müller", "j@example.org"),
        ("ann@Bücher.example", "", "ann@xn--bcher-kva.example"),
        ("o'hara+tag.x@example.org.", "", "o'hara+tag.x@example.org"),
        ('"ann lee"@example.org', "", '"ann lee"@example.org'),
        ("root@localhost", "", "root@localhost"),
        ("ann@[127.0.0.1]", "", "ann@[127.0.0.1]"),
    ],
)
def test_usable_addresses_are_taken_apart(text: str, name: str, bare: str) -> None:
    found = parse_address(text)
    assert (found.name, found.bare) == (name, bare)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        (None, "no text"),
        (b"ann@example.org", "no text"),
        ("ann", "no '@'"),
        ("jörg@example.org", "beyond ASCII"),
        ("Jörg <jörg@example.org>", "beyond ASCII"),
        ("ann@" + "ü" * 70 + ".example", "cannot be encoded"),
        ("ann@\N{GRINNING FACE}.example", "cannot be encoded"),
        ("ann@example..org", "no name of a domain"),
        ("ann@-example.org", "no name of a domain"),
        ("ann@", "no name of a domain"),
        ("@example.org", "no name of a mailbox"),
        ("a b@example.org", "no name of a mailbox"),
        ("friends: ann@example.org, bob@example.org;", "no name of a mailbox"),
        ("friends:;", "no '@'"),
        ("friends: Ann <ann@example.org>;", "no name of a mailbox"),
        ("ann@example.org, Bob <bob@example.org>", "more than one"),
        ("ann@example.org;bob@example.org", "no name of a mailbox"),
        ("ann@example.org\nBcc: bob@example.org", "line break"),
        ("Ann\r\n <ann@example.org>", "line break"),
        ("ann\0@example.org", "control character"),
        ("a" * 65 + "@example.org", "no name of a mailbox"),
    ],
)
def test_unusable_addresses_are_told_with_the_reason(text: object, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        parse_address(text)


_NAMES = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="<>=?")
    | st.sampled_from(" ,;:"),
    max_size=60,
)


@given(st.lists(_NAMES, min_size=1, max_size=5))
def test_a_reader_of_the_header_finds_the_same_names_and_addresses(names: list[str]) -> None:
    given = [
        MailAddress(" ".join(name.split()), f"user{number}", "example.org")
        for number, name in enumerate(names)
    ]
    text = f"To: {address_header(given)}\n\n"
    message = message_from_string(text, policy=policy.default)
    found = [(one.display_name, one.addr_spec) for one in message["To"].addresses]
    assert found == [(one.name, one.bare) for one in given]


def test_names_beyond_ascii_are_encoded() -> None:
    header = MailAddress("Müller, Jörg", "j", "example.org").header()
    assert header.isascii()
    message = message_from_string(f"To: {header}\n\n", policy=policy.default)
    (found,) = message["To"].addresses
    assert (found.display_name, found.addr_spec) == ("Müller, Jörg", "j@example.org")


def test_a_list_is_split_at_its_commas_only() -> None:
    text = '"Doe, Ann" <ann@example.org>, bob@example.org, Lee, Carl <"c,c"@example.org>,'
    assert split_addresses(text) == [
        '"Doe, Ann" <ann@example.org>',
        "bob@example.org",
        'Lee, Carl <"c,c"@example.org>',
    ]


def test_equal_addresses_count_once() -> None:
    texts = ["Ann <ann@example.org>", "ann@EXAMPLE.org", "Ann@example.org"]
    assert [one.header() for one in distinct(map(parse_address, texts))] == [
        "Ann <ann@example.org>",
        "Ann@example.org",
    ]
