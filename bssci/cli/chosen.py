"""Reading the settings of this installation, for all subcommands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bssci.settings.catalogue import Catalogue, LoadedValues
from bssci.settings.env_file import ENV_FILE
from bssci.settings.rows import SettingsError
from bssci.settings.table import Settings


def load_own() -> Settings:
    """Return the service's own settings in the working directory, without discovering plugins.

    :raises bssci.settings.rows.SettingsError: a setting is invalid.
    """
    return Catalogue().load({}, os.environ, ENV_FILE).settings


def load_installation() -> Settings:
    """Return what :func:`load_own` returns, if the working directory is the folder of an installation.

    :raises bssci.settings.rows.SettingsError: it is not, so that a command would change nothing that the
        service uses; or a setting is invalid.
    """
    chosen = load_own()
    if not chosen.state_dir.exists():
        raise SettingsError(
            f"STATE_DIR={chosen.state_dir}: does not exist; start this command in the folder of the service,"
            " or run `bssci init` to make an installation here"
        )
    return chosen


def load(options: Mapping[str, Any] | None = None, env_file: Path = ENV_FILE) -> tuple[Any, LoadedValues]:
    """Return what is installed (:class:`bssci.extensions.Installed`), and the values in force.

    :param options: options as on the command line of twistd, without leading dashes.
    :param env_file: file to read in place of ``.env``.
    :raises bssci.settings.rows.SettingsError: a setting is invalid.
    """
    # Imported here because plugins import the reactor.
    from bssci import extensions

    installed = extensions.discover()
    return installed, installed.catalogue.load(options or {}, os.environ, env_file)
