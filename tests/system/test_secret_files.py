"""Reading a secret from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.system.secret_files import LARGEST, SecretFileError, read_secret


def test_line_ends_behind_a_secret_are_none_of_it(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" Pä55word \r\n", "utf-8")
    assert read_secret(file, "PASSWORD_FILE") == " Pä55word "


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("hunter2", "No such file or directory"),
        ("hunter2" * 100, "File name too long"),
        ("hunter2\0", "this is no path"),
        ("~hunter2/password", "this is no path"),
    ],
)
def test_an_error_names_the_setting_and_not_the_path(path: str, reason: str) -> None:
    with pytest.raises(SecretFileError) as caught:
        read_secret(Path(path), "PASSWORD_FILE")
    assert str(caught.value) == f"PASSWORD_FILE: the file that it names cannot be read: {reason}"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretFileError, match="it is not UTF-8"):
        read_secret(tmp_path / "key", "PASSWORD_FILE")


def test_what_has_no_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match="it has more than 64 KB"):
        read_secret(Path("/dev/zero"), "PASSWORD_FILE")
    (tmp_path / "long").write_bytes(b"x" * LARGEST)
    assert len(read_secret(tmp_path / "long", "PASSWORD_FILE")) == LARGEST
