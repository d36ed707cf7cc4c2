"""The settings of what is installed for the tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bssci import extensions
from bssci.settings.table import Settings
from bssci.tap import try_kept_files

INSTALLED = extensions.discover()
CATALOGUE = INSTALLED.catalogue
TRIALS = (INSTALLED.refuse_unknown, try_kept_files)


def settings_of(
    options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings in force with options of the command line, and without a ``.env``."""
    return CATALOGUE.load(options or {}, environ or {}, Path(os.devnull)).settings


def settings_with(**values: Any) -> Settings:
    """Return settings with these values, by their names in small letters, and defaults."""
    plugged = dict(settings_of().plugged)
    plugged |= {name.upper(): value for name, value in values.items() if name.upper() in plugged}
    own = {name: value for name, value in values.items() if name.upper() not in plugged}
    return Settings(**own, plugged=plugged)
