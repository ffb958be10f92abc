"""Filters of changes, under the names by which configurations import them."""

from ci_master.data.filters import (
    ChangeFilter,
    GerritChangeFilter,
    NotABranch,
    SourceStampFilter,
)

__all__ = ["ChangeFilter", "GerritChangeFilter", "NotABranch", "SourceStampFilter"]
