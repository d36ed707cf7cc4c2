"""What must outlive a crash: receptions, events, sessions, cursors, on disk before anybody is told.

Nothing here knows why it is stored.
"""

from bssci.journal.errors import JournalBusy, JournalError, StorageError
from bssci.journal.records import Activity, Registration, StationRecord, StoredSession
from bssci.journal.sqlite.administration import AuditEntry
from bssci.journal.sqlite.attachments import Attachment
from bssci.journal.sqlite.downlinks import DownlinkPicture, Left, StoredDownlink
from bssci.journal.sqlite.journal import Journal
from bssci.journal.sqlite.silences import Silence

__all__ = [
    "Activity",
    "Attachment",
    "AuditEntry",
    "DownlinkPicture",
    "Journal",
    "JournalBusy",
    "JournalError",
    "Left",
    "Registration",
    "Silence",
    "StationRecord",
    "StorageError",
    "StoredDownlink",
    "StoredSession",
]
