"""``bssci_config.py`` in the working directory."""

from __future__ import annotations

from pathlib import Path

from bssci.settings.old_config import old_config_warning


def test_its_values_are_named_and_nothing_of_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "bssci_config.py"
    assert old_config_warning(path) is None
    path.write_text(
        "import os\nos.unlink(__file__)\nLISTEN_PORT = 16017\nMQTT_PASSWORD: str = 'secret'\n"
        "A, B = 1, 2\nlocal = 3\n"
    )
    warning = old_config_warning(path)
    assert warning == (
        f"{path} is not read: its values (LISTEN_PORT, MQTT_PASSWORD, A, B) belong in .env,"
        " under their names in docs/settings.md"
    )
    assert path.exists()
    path.write_text("LISTEN_PORT = (")
    assert (
        old_config_warning(path)
        == f"{path} is not read: its values belong in .env, under their names in docs/settings.md"
    )
