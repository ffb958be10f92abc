"""Addresses of e-mail: which ones can be used, and how headers show them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.header import Header

#: Headers that hold addresses.
ADDRESS_HEADERS = ("from", "sender", "reply-to", "to", "cc", "bcc")

_LONGEST_LINE = 76
_LONGEST_MAILBOX = 64
_LONGEST_DOMAIN = 253

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAILBOX = re.compile(rf'^(?:{_ATOM}(?:\.+{_ATOM})*\.?|"(?:[^"\\]|\\.)+")$')
_LABEL = re.compile(r"^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LITERAL = re.compile(r"^\[(?:[0-9.]+|IPv6:[0-9A-Fa-f:.]+)\]$")
_NAMED = re.compile(r"^(?P<name>[^<>]*|\s*\"(?:[^\"\\]|\\.)*\"\s*)<(?P<address>[^<>]*)>$")
_QUOTED = re.compile(r'^"((?:[^"\\]|\\.)*)"$')
_PLAIN_NAME = re.compile(rf"^(?:{_ATOM}|[ ])*$")
# Quoted texts, angle addresses, commas, and anything else: what a list of addresses is made of.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|,|[^",<]+|["<]')


class Unusable(ValueError):
    """No message can be sent to an address; the text says why."""


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A mailbox, and the name that is shown with it.

    :ivar domain: as it travels: ASCII.
    """

    name: str
    mailbox: str
    domain: str

    @property
    def bare(self) -> str:
        """The address without the name."""
        return f"{self.mailbox}@{self.domain}"

    @property
    def key(self) -> tuple[str, str]:
        """What equal addresses have in common."""
        return self.mailbox, self.domain.lower()

    def header(self) -> str:
        """As a header shows it: the name quoted or encoded where it has to be, lines folded."""
        if not self.name:
            return self.bare
        name = self.name
        if not name.isascii():
            name = Header(name, "utf-8", maxlinelen=_LONGEST_LINE).encode(linesep="\n")
        elif not _PLAIN_NAME.match(name):
            name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
        return f"{name} <{self.bare}>"


def parse_address(text: object) -> MailAddress:
    """The address that a text such as ``Ann <ann@example.com>`` holds.

    :raises Unusable: if there is none that mail could be sent to, or more than one. The
        extension of SMTP for mailboxes beyond ASCII is not supported.
    """
    if not isinstance(text, str):
        raise Unusable("it is no text")
    text = text.strip().replace("\t", " ")
    if not text:
        raise Unusable("it is empty")
    if _CONTROL.search(text):
        raise Unusable("it has a line break or another control character")
    named = _NAMED.match(text)
    name, bare = (named["name"].strip(), named["address"].strip()) if named else ("", text)
    quoted = _QUOTED.match(name)
    if quoted:
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif "@" in name and "," in name:
        raise Unusable("it holds more than one address")
    mailbox, at, domain = bare.rpartition("@")
    if not at:
        raise Unusable("it has no '@'")
    if not mailbox.isascii():
        raise Unusable("its mailbox has characters beyond ASCII")
    if not _MAILBOX.match(mailbox) or len(mailbox) > _LONGEST_MAILBOX:
        raise Unusable(f"{mailbox!r} is no name of a mailbox")
    return MailAddress(name, mailbox, _encoded_domain(domain))


def _encoded_domain(domain: str) -> str:
    if _LITERAL.match(domain):
        return domain
    encoded = domain.removesuffix(".")
    if not encoded.isascii():
        import idna  # costs some milliseconds, and few need it

        try:
            encoded = idna.encode(encoded, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise Unusable(f"its domain {domain!r} cannot be encoded: {error}") from error
    labels = encoded.split(".")
    if len(encoded) > _LONGEST_DOMAIN or not all(map(_LABEL.match, labels)):
        raise Unusable(f"{domain!r} is no name of a domain")
    return encoded


def split_addresses(text: str) -> list[str]:
    """The parts of a list of addresses. A comma in quotes parts nothing, nor does one before
    which there is no address yet: ``Doe, Ann <ann@example.com>`` is one.
    """
    found = [""]
    for piece in _PIECE.findall(text):
        if piece == "," and "@" in found[-1]:
            found.append("")
        else:
            found[-1] += piece
    return [one.strip() for one in found if one.strip(" ,")]


def address_header(addresses: Iterable[MailAddress]) -> str:
    """The value of a header with these addresses, a line for each."""
    return ",\n ".join(address.header() for address in addresses)


def distinct(addresses: Iterable[MailAddress]) -> Sequence[MailAddress]:
    """Each mailbox once; the first of equal ones counts."""
    found: dict[tuple[str, str], MailAddress] = {}
    for address in addresses:
        found.setdefault(address.key, address)
    return list(found.values())
