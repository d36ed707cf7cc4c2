"""Downlinks through crashes, lost connections, new sessions, repeated attachments: none lost, none twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, fail

from bssci.center.downlinks.downlinks import SEARCH_AGAIN
from bssci.center.downlinks.happenings import RESULT_WAIT
from bssci.center.downlinks.plan import GRACE
from bssci.journal import StorageError
from bssci.wire.messages import DlDataQue, DlDataQueRsp, DlDataRev
from tests.center.downlinks.gateway import OTHER_STATION, SENSOR, DownlinkHouse, Gateway, connected
from tests.support.center import TESTER, result_of


class RealGateway(Gateway):
    """Answers by itself, and sends what it holds in the window of each uplink.

    :ivar on_air: queue ids that went out, in order.
    :ivar results: (queue id, counter) of results without an answer.
    """

    def __init__(self, house: DownlinkHouse, eui: int) -> None:
        super().__init__(house, eui)
        self.on_air: list[int] = []
        self.results: list[tuple[int, int]] = []
        self._answered = -1

    def work(self) -> None:
        """Answer what was asked, as long as something is."""
        while True:
            self.answer_attachments()
            taken = self.accept()
            revoked = self.forget()
            if not taken and not revoked:
                return

    def window(self, counter: int) -> None:
        """Hear the sensor, and send it the downlink that is held for the longest."""
        acknowledges = self._answered == counter - 1
        if self.held:
            queue_id = self.held.pop(0)
            self.on_air.append(queue_id)
            self.results.append((queue_id, counter))
            self._answered = counter
        self.hear(counter, dlAck=acknowledges, dlOpen=True)

    def report(self) -> None:
        """Tell results; those that are not answered stay to be told again."""
        self.results = [each for each in self.results if not self.result(each[0], counter=each[1])]


def holding(site: DownlinkHouse) -> tuple[Gateway, int]:
    """A base station that holds a downlink, and the queue id of that."""
    station = connected(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    return station, queue_id


def back(site: DownlinkHouse, old: Gateway, **options: bool) -> Gateway:
    """The same station on a new connection, after whichever side was down."""
    again = Gateway(site, old.eui)
    again.uuid, again.held, again.op_id = old.uuid, old.held, old.op_id
    again.come(**options)
    return again


def test_queued_then_crash(site: DownlinkHouse) -> None:
    queue_id = site.queue(b"\7", ref="mine")
    site.crash()
    assert site.downlinks.statistics() == {"queued": 1}
    station = connected(site)
    assert [request.userData for request in station.take(DlDataQue)] == [[[7]]]
    assert site.queue() == queue_id + 1


def test_asked_then_crash_it_is_issued_again_once(site: DownlinkHouse) -> None:
    station = connected(site)
    queue_id = site.queue()
    (asked,) = station.asked()
    site.crash()
    station = back(site, station)
    site.advance(2)
    assert [(again.opId, again.queId) for again in station.asked()] == [(asked.opId, queue_id)]


def test_decided_but_not_sent_then_crash(site: DownlinkHouse) -> None:
    """The commit that says "asked" is on disk, the operation is not."""
    station = connected(site)
    assert station.station is not None
    station.station.issue = lambda requests: None  # type: ignore[method-assign]
    queue_id = site.queue()
    assert station.asked() == []
    site.crash()
    station = back(site, station)
    assert station.accept() == [queue_id]


def test_answered_then_crash_it_is_not_asked_again(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    site.crash()
    station = back(site, station)
    site.advance(120)
    assert station.asked() == []
    station.result(queue_id, counter=2)
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_whatever_part_of_the_answer_is_on_disk_it_is_sent_once(site: DownlinkHouse) -> None:
    """The answer came and its commit did not: the operation is still open, and issued again as it was."""
    station = connected(site)
    queue_id = site.queue()
    (asked,) = station.asked()
    station.give(DlDataQueRsp(opId=asked.opId))
    site.crash()
    station = back(site, station)
    assert [(again.opId, again.queId) for again in station.asked()] == [(asked.opId, queue_id)]


def test_sent_then_crash_the_acknowledgement_counts(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.result(queue_id, counter=2)
    site.crash()
    station = back(site, station)
    station.hear(3, dlAck=True)
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]


def test_the_acknowledgement_is_published_then_crash(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.result(queue_id, counter=2)
    site.center.downlinks.heard = lambda uplinks: None  # type: ignore[method-assign]
    station.hear(3, dlAck=True)
    assert site.downlink(queue_id).state == "sent"
    site.crash()
    assert site.downlink(queue_id).state == "acknowledged"


def test_an_acknowledgement_that_cannot_be_stored_is_found_as_soon_as_it_can(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.result(queue_id, counter=2)
    worker = site.downlinks._worker
    worker.pause()
    site.downlinks._ticker.stop()
    station.hear(3, dlAck=True)
    site.journal.full = True
    worker.wake()
    site.settle()
    site.journal.full = False
    assert site.downlink(queue_id).state == "sent"
    site.downlinks._ticker.start()
    site.advance(SEARCH_AGAIN + 1)
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]


def test_an_acknowledgement_is_found_although_the_search_for_it_failed(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, queue_id = holding(site)
    station.hear(3, dlAck=True)
    with monkeypatch.context() as patch:
        patch.setattr(site.journal.events, "find_uplinks", lambda keys: fail(StorageError("gone")))
        station.result(queue_id, counter=2)
    assert site.downlink(queue_id).state == "sent"
    site.advance(SEARCH_AGAIN + 1)
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]


def test_a_downlink_leaves_a_station_that_is_away_although_the_search_there_failed(
    site: DownlinkHouse, two: tuple[Gateway, Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    best, other = two
    queue_id = site.queue()
    assert best.accept() == [queue_id]
    best.lose()
    with monkeypatch.context() as patch:
        patch.setattr(site.journal.downlinks, "sensors_at", lambda eui: fail(StorageError("gone")))
        site.advance(GRACE + 2)
    assert other.asked() == []
    site.advance(SEARCH_AGAIN + 1)
    assert other.accept() == [queue_id]


def test_a_downlink_does_not_wait_for_a_time_that_a_clock_set_back_before_the_start_puts_off(
    site: DownlinkHouse,
) -> None:
    """The station does not hold it any more, and may yet report that it was sent."""
    station = connected(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    station.held.clear()
    station.lose()
    station = back(site, station, fresh=True)
    assert station.forget() == [queue_id]
    assert station.asked() == []
    site.set_clock(-86400.0)
    site.crash()
    station = back(site, station)
    site.advance(RESULT_WAIT + 2)
    assert station.accept() == [queue_id]


def test_a_result_that_was_not_answered_comes_again(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.lose()
    site.crash()
    station = back(site, station)
    station.result(queue_id, counter=2)
    site.crash()
    station = back(site, station)
    station.result(queue_id, counter=2)
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_a_result_that_comes_late_revokes_the_downlink_that_was_queued_again(site: DownlinkHouse) -> None:
    """In a new session the station did not hold it any more; it could not report yet that it has sent it."""
    station = connected(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    station.held.clear()
    station.lose()
    station = back(site, station, fresh=True)
    assert station.forget() == [queue_id]
    site.advance(RESULT_WAIT + 2)
    assert station.accept() == [queue_id]
    station.result(queue_id, counter=2)
    station.held.append(queue_id)
    site.advance(1)
    assert station.forget() == [queue_id]
    assert station.held == []
    assert site.statuses(queue_id) == ["queued", "sent"]
    site.advance(120)
    assert station.asked() == station.forget() == []


def test_a_downlink_that_was_queued_once_is_not_revoked_when_it_is_sent(site: DownlinkHouse) -> None:
    station = connected(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    station.result(queue_id, counter=2)
    site.advance(120)
    assert station.forget() == []


def test_revoking_then_crash(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    station.take(DlDataRev)
    site.crash()
    station = back(site, station)
    assert station.forget() == [queue_id]
    assert site.statuses(queue_id) == ["queued", "revoked"]
    assert station.take(DlDataRev) == []


def test_it_expires_while_the_service_is_down(site: DownlinkHouse) -> None:
    queue_id = site.queue(expires_in=60.0)
    site.journal.cut()
    for call in list(site.clock.getDelayedCalls()):
        call.cancel()
    site.clock.advance(100)
    site.open()
    site.advance(2)
    assert site.statuses(queue_id) == ["queued", "expired"]


@pytest.mark.service
def test_crashes_after_every_commit(tmp_path: Path) -> None:
    """The lives of two downlinks, in which the service crashes after the first commit, the second, ..."""
    for crash_at in range(1, 100):
        directory = tmp_path / str(crash_at)
        directory.mkdir()
        site = DownlinkHouse(directory, sensors=1)
        try:
            if not _live(site, crash_at):
                break
        finally:
            site.close()
    assert 15 < crash_at < 99


class _CrashError(Exception):
    pass


def _live(site: DownlinkHouse, crash_at: int) -> bool:
    """Live until the ``crash_at``-th commit, crash, go on; whether there was that commit."""
    commits = 0
    crashed = False
    writer: Any = site.journal.core.writer
    commit = writer._commit

    def commit_and_crash(group: list[Any]) -> Any:
        """On disk it is, but nobody hears of it."""
        nonlocal commits
        committed = commit(group)
        commits += 1
        if commits == crash_at:
            raise _CrashError
        return committed

    station = RealGateway(site, OTHER_STATION)
    station.come()
    station.hear(1)
    writer._commit = commit_and_crash
    for step in (
        site.queue,
        site.queue,
        station.work,
        lambda: station.window(2),
        station.report,
        station.work,
        lambda: station.window(3),
        station.report,
        station.work,
    ):
        try:
            step()
        except _CrashError:
            crashed = True
            site.crash()
            station.come()
    writer._commit = commit
    for counter in range(4, 10):
        station.work()
        station.window(counter)
        station.report()
        site.advance(1)
    found = site.downlinks.of(SENSOR)
    site.settle()
    stored = result_of(found)
    assert station.on_air == sorted(set(station.on_air)), f"twice, or out of order, crash {crash_at}"
    assert [downlink.queue_id for downlink in reversed(stored)] == station.on_air, f"lost, crash {crash_at}"
    for downlink in stored:
        told = site.statuses(downlink.queue_id)
        assert told in (["queued", "sent"], ["queued", "sent", "acknowledged"]), f"crash {crash_at}"
        assert downlink.state == told[-1]
    return crashed


def test_resumed_nothing_is_queued_again(site: DownlinkHouse) -> None:
    station = connected(site)
    site.queue()
    station.accept()
    station.lose()
    station = back(site, station)
    site.advance(120)
    assert station.asked() == []
    assert station.take(DlDataRev) == []


def test_a_new_session_is_asked_what_it_holds_then_told_again(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.lose()
    station.held.clear()
    station = back(site, station, fresh=True)
    assert station.asked() == []
    assert station.forget() == [queue_id]
    site.advance(3)
    assert station.asked() == []
    site.advance(5)
    assert station.accept() == [queue_id]


def test_a_new_session_that_began_just_before_a_crash(site: DownlinkHouse) -> None:
    """It is known by its identity, for the clock may have been set back."""
    station, queue_id = holding(site)
    station.lose()
    site._began += 1000.0
    site.downlinks.registered = lambda eui: None  # type: ignore[method-assign]
    site.downlinks._worker.pause()
    station = back(site, station, fresh=True)
    site.crash()
    station = back(site, station)
    assert station.forget() == [queue_id]


def test_a_result_after_the_revocation_still_counts(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.lose()
    station = back(site, station, fresh=True)
    station.held.clear()
    station.forget()
    station.result(queue_id, counter=2)
    site.advance(10)
    assert station.asked() == []
    assert site.statuses(queue_id) == ["queued", "sent"]


@pytest.mark.parametrize("drops", [True, False])
def test_an_attach_again_makes_it_queued_again(site: DownlinkHouse, drops: bool) -> None:
    station, queue_id = holding(site)
    site.advance(1)
    attached = ensureDeferred(site.commands.attach([SENSOR], TESTER))
    site.settle()
    if drops:
        station.held.clear()
    station.answer_attachments()
    result_of(attached)
    site.advance(0.1)
    assert station.forget() == [queue_id]
    site.advance(8)
    assert station.accept() == [queue_id]
    assert site.statuses(queue_id) == ["queued"]


def test_a_detached_sensor_waits_until_it_is_attached_again(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    ensureDeferred(site.commands.detach([SENSOR], TESTER))
    site.settle()
    station.held.clear()
    station.answer_attachments()
    site.advance(10)
    station.forget()
    site.advance(40)
    assert station.asked() == []
    ensureDeferred(site.commands.attach([SENSOR], TESTER))
    site.settle()
    station.answer_attachments()
    site.advance(1)
    assert station.accept() == [queue_id]


def two(site: DownlinkHouse) -> tuple[Gateway, Gateway, int]:
    """Two stations; the first and better one holds a downlink."""
    first = connected(site, snr=15.0)
    second = connected(site, OTHER_STATION, counter=2, snr=9.0)
    queue_id = site.queue()
    assert first.accept() == [queue_id]
    return first, second, queue_id


def test_it_stays_while_the_station_is_away_for_a_moment(site: DownlinkHouse) -> None:
    first, second, _ = two(site)
    first.lose()
    site.advance(GRACE - 5)
    site.queue(priority=-1.0)
    first = back(site, first)
    site.advance(30)
    assert second.asked() == []
    assert first.asked() == []


def test_after_that_it_moves_and_is_revoked_when_the_first_is_back(site: DownlinkHouse) -> None:
    first, second, queue_id = two(site)
    first.lose()
    site.advance(GRACE + 3)
    assert second.accept() == [queue_id]
    first = back(site, first)
    assert second.forget() == [queue_id]
    assert first.asked() == []
    assert first.forget() == [queue_id]
    assert first.accept() == [queue_id]  # the better path again, now that nobody holds it
    assert site.statuses(queue_id) == ["queued"]


def test_the_first_had_sent_it(site: DownlinkHouse) -> None:
    first, second, queue_id = two(site)
    first.lose()
    site.advance(GRACE + 3)
    second.accept()
    first = back(site, first)
    first.result(queue_id, counter=2)
    first.forget()
    assert second.forget() == [queue_id]
    site.advance(60)
    assert first.asked() + second.asked() == []
    assert site.statuses(queue_id) == ["queued", "sent"]
    assert site.downlink(queue_id).base_station_eui == first.name


def test_the_first_had_sent_it_and_says_so_after_it_was_asked_to_revoke(site: DownlinkHouse) -> None:
    first, second, queue_id = two(site)
    first.lose()
    site.advance(GRACE + 3)
    second.accept()
    first.held.remove(queue_id)
    first = back(site, first)
    assert first.forget() == second.forget() == [queue_id]
    site.advance(RESULT_WAIT - 2)
    assert first.asked() + second.asked() == []
    first.result(queue_id, counter=2)
    site.advance(60)
    assert first.asked() + second.asked() == []
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_what_was_left_behind_outlives_a_crash(site: DownlinkHouse) -> None:
    first, second, queue_id = two(site)
    first.lose()
    site.advance(GRACE + 3)
    second.accept()
    site.crash()
    first = back(site, first)
    second = back(site, second)
    assert first.forget() == [queue_id]


def test_revoked_while_its_station_is_away(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.lose()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    assert result_of(revoked).state == "revoked"
    station = back(site, station)
    assert station.forget() == [queue_id]
    assert station.take(DlDataRev) == []


def test_revoked_while_its_station_is_away_but_it_had_sent_it(site: DownlinkHouse) -> None:
    station, queue_id = holding(site)
    station.lose()
    site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    station = back(site, station)
    station.result(queue_id, counter=2)
    assert site.statuses(queue_id) == ["queued", "revoked", "sent"]
