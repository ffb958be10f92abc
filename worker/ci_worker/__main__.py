"""``python -m ci_worker``: the same as the command ``ci-worker``."""

import sys

from ci_worker.cli.main import main

sys.exit(main())
