"""Secret providers, and the one place where used secrets are masked."""

from ci_master.secrets.base import SecretDetails, SecretProviderBase
from ci_master.secrets.file import SecretInAFile
from ci_master.secrets.passwordstore import SecretInPass
from ci_master.secrets.redaction import RedactingStream, Redactor
from ci_master.secrets.registry import Secrets

SecretRegistry = Secrets

__all__ = [
    "RedactingStream",
    "Redactor",
    "SecretDetails",
    "SecretInAFile",
    "SecretInPass",
    "SecretProviderBase",
    "SecretRegistry",
    "Secrets",
]
