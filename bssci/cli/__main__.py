"""``python -m bssci.cli``: the same as ``bssci``."""

import sys

from bssci.cli import main

sys.exit(main())
