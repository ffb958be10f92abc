"""Text of others as HTML that does no harm on a page."""

from importlib.util import find_spec

__all__ = ["PACKAGES", "clean_html", "markdown_html", "stored_html"]

#: What descriptions in Markdown need: name of the package -> name of its module.
PACKAGES = {"Markdown": "markdown", "nh3": "nh3"}

_SCHEMES = {"http", "https", "mailto"}


def clean_html(html: str) -> str:
    """The same without scripts, styles, forms, frames and links that run something."""
    import nh3  # with Markdown, an optional package

    return str(nh3.clean(html, url_schemes=_SCHEMES, link_rel="noopener noreferrer"))


def markdown_html(text: str) -> str:
    """A description in Markdown, which may hold HTML of its own."""
    from markdown import markdown  # an optional package; the configuration's check wants it

    return clean_html(str(markdown(text)))


def stored_html(html: str | None) -> str | None:
    """What an older master stored, which it did not clean; None if it cannot be cleaned here."""
    if html is None or find_spec("nh3") is None:
        return None
    return clean_html(html)
