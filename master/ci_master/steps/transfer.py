"""Steps that move files between master and worker."""

from ci_master.steps.download import (
    FileDownload,
    JSONPropertiesDownload,
    JSONStringDownload,
    StringDownload,
)
from ci_master.steps.upload import DirectoryUpload, FileUpload, MultipleFileUpload

__all__ = [
    "DirectoryUpload",
    "FileDownload",
    "FileUpload",
    "JSONPropertiesDownload",
    "JSONStringDownload",
    "MultipleFileUpload",
    "StringDownload",
]
