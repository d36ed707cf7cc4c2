"""The settings of this installation, as every sub-command reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bssci.settings.catalogue import Catalogue, LoadedValues
from bssci.settings.env_file import ENV_FILE
from bssci.settings.table import Settings


def load_own() -> Settings:
    """Return the service's own values in force in the working directory, without looking for plugins.

    :raises bssci.settings.rows.SettingsError: a setting is wrong.
    """
    return Catalogue().load({}, os.environ, ENV_FILE).settings


def load(options: Mapping[str, Any] | None = None, env_file: Path = ENV_FILE) -> tuple[Any, LoadedValues]:
    """Return what is installed (:class:`bssci.extensions.Installed`), and the values in force.

    :param options: as on the command line of twistd, without dashes in front.
    :param env_file: read in place of ``.env``.
    :raises bssci.settings.rows.SettingsError: a setting is wrong.
    """
    # Imported here: plugins import the reactor's modules.
    from bssci import extensions

    installed = extensions.discover()
    return installed, installed.catalogue.load(options or {}, os.environ, env_file)
