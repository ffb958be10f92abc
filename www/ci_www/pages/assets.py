"""Static files, served from memory: hashed names, compressed once, kept by browsers for a year."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ci_www.pages import ansi

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: Colours of favicons: readable on light and dark browser chrome alike.
_FAVICON = {
    "success": "#12a070",
    "warnings": "#b27a00",
    "failure": "#d8381b",
    "exception": "#8a4fd0",
    "retry": "#1787a5",
    "skipped": "#7b8794",
    "cancelled": "#a8558a",
    "running": "#2f6fdb",
    "waiting": "#7b8794",
    "none": "#5b7083",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    name: str  # with its hash
    body: bytes
    gzipped: bytes
    content_type: str


class Assets:
    """The static files of a directory.

    A module may import its siblings by their plain names; the names are replaced by the
    hashed ones here, so a change of one file renames all that depend on it.
    """

    def __init__(self, directory: Path, prefix: str = "/static/") -> None:
        self._prefix = prefix
        self._by_plain: dict[str, Asset] = {}
        self._by_name: dict[str, Asset] = {}
        self.sprite = (directory / "sprite.svg").read_text("utf-8").replace("\n", "")
        files = [path for path in directory.iterdir() if path.suffix in _TYPES]
        for path in sorted(files, key=lambda path: (path.name != "base.mjs", path.name)):
            text = path.read_text("utf-8")
            if path.suffix == ".mjs":
                text = re.sub(
                    r'"\./([a-z]+\.mjs)"', lambda m: f'"./{self._by_plain[m[1]].name}"', text
                )
            self._add(path.name, text.encode(), _TYPES[path.suffix])
        self._add("log.css", ansi.stylesheet().encode(), _TYPES[".css"])
        for kind, colour in _FAVICON.items():
            self._add(f"icon-{kind}.svg", self._favicon(kind, colour), _TYPES[".svg"])

    def _favicon(self, kind: str, colour: str) -> bytes:
        found = re.search(rf'<symbol id="m-{kind}" (viewBox="[^"]+")>(.*?)</symbol>', self.sprite)
        if found is None:
            raise ValueError(f"the sprite has no shape m-{kind}")
        inner = found[2].replace("var(--fill,currentColor)", "#f2b13a")
        inner = inner.replace("currentColor", colour)
        return f'<svg xmlns="http://www.w3.org/2000/svg" {found[1]}>{inner}</svg>'.encode()

    def _add(self, plain: str, body: bytes, content_type: str) -> None:
        stem, _, suffix = plain.rpartition(".")
        digest = hashlib.sha256(body).hexdigest()[:10]
        asset = Asset(
            f"{stem}.{digest}.{suffix}", body, gzip.compress(body, 9, mtime=0), content_type
        )
        self._by_plain[plain] = asset
        self._by_name[asset.name] = asset

    def url(self, plain: str) -> str:
        """The URL of a file given by its plain name."""
        return self._prefix + self._by_plain[plain].name

    def find(self, name: str) -> Asset | None:
        """The asset of a hashed name; a plain name works, too (but is not kept by browsers)."""
        return self._by_name.get(name) or self._by_plain.get(name)

    def is_hashed(self, name: str) -> bool:
        """Whether a name carries its hash, so that it may be kept for ever."""
        return name in self._by_name

    def version(self, *others: Path) -> str:
        """A name for these files as they are, and for all in the other directories.

        A page that was made with other ones cannot be brought up to date, only loaded again.
        """
        digest = hashlib.sha256("".join(sorted(self._by_name)).encode())
        for path in sorted(path for other in others for path in other.rglob("*.html")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:10]

    def gzipped_size(self, plain: str) -> int:
        """Compressed size in bytes, for the budget."""
        return len(self._by_plain[plain].gzipped)
