"""Options for scanners and controllers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.simulator import cli
from bssci.simulator.configuration import ArgumentError
from bssci.simulator.gateway_options import PASSWORD, gateway_plan_from
from tests.simulator.simulation import parse


def test_nothing_is_simulated_that_nobody_asked_for() -> None:
    assert gateway_plan_from(parse()) is None


def test_options_make_a_plan(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("word\n")
    plan = gateway_plan_from(
        parse(
            "--scanners",
            "2",
            "--controllers",
            "3",
            "--timezone",
            "Asia/Bangkok",
            "--mqtt-broker",
            "there",
            "--mqtt-port",
            "8883",
            "--mqtt-tls",
            "--mqtt-username",
            "me",
            "--mqtt-password-file",
            str(secret),
            "--topic-prefix",
            "radio",
        )  # fmt: skip
    )
    assert plan is not None
    assert (plan.scanners, plan.controllers, str(plan.zone)) == (2, 3, "Asia/Bangkok")
    broker = plan.broker
    assert (broker.broker, broker.port, broker.tls, broker.username) == ("there", 8883, True, "me")
    assert (broker.password_file, broker.topic_prefix) == (str(secret), "radio")


def test_the_password_may_come_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "word")
    plan = gateway_plan_from(parse("--scanners", "1", "--mqtt-username", "me"))
    assert plan is not None and plan.broker.password == "word"
    plan = gateway_plan_from(parse("--scanners", "1"))
    assert plan is not None and plan.broker.password == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--scanners", "-1"], "--scanners -1: must be at least 0"),
        (["--controllers", "1", "--measured-every", "0"], "--measured-every 0.0: must be above 0"),
        (["--scanners", "1", "--timezone", "Mars/Olympus"], "--timezone Mars/Olympus: there is no such zone"),
        (["--scanners", "1", "--mqtt-cert-file", "a"], "give both or neither"),
        (
            ["--scanners", "1", "--mqtt-password-file", "/nowhere"],
            "--mqtt-password-file: the file",
        ),
    ],
)
def test_what_cannot_be_is_named(options: list[str], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        gateway_plan_from(parse(*options))


def test_the_command_line_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("--scanners", "1", "--bluetooth-devices", "0")) == 1
    assert capsys.readouterr().err == "error: --bluetooth-devices 0: must be at least 1\n"
