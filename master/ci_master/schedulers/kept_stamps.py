"""Source stamps as JSON, patches included, for schedulers that build later."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["stamps_from_json", "stamps_to_json"]


def stamps_to_json(stamps: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Source stamps without bytes."""
    kept = []
    for stamp in stamps or ():
        stamp = dict(stamp)
        patch = stamp.get("patch")
        if patch is not None and isinstance(patch.get("body"), bytes):
            patch = dict(patch)
            patch["body_base64"] = base64.b64encode(patch.pop("body")).decode()
            stamp["patch"] = patch
        kept.append(stamp)
    return kept


def stamps_from_json(kept: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """What :func:`stamps_to_json` was given."""
    stamps = []
    for stamp in kept or ():
        stamp = dict(stamp)
        patch = stamp.get("patch")
        if patch is not None and "body_base64" in patch:
            patch = dict(patch)
            patch["body"] = base64.b64decode(patch.pop("body_base64"))
            stamp["patch"] = patch
        stamps.append(stamp)
    return stamps
