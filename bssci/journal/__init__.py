"""The durable store of receptions, events, sessions, cursors and tables.

Changes are confirmed once they are on disk. Nothing here knows why something is stored.
"""

from bssci.journal.errors import DirectoryInUse, JournalBusy, JournalError, StorageError
from bssci.journal.interface import Change, Journal
from bssci.journal.kept import (
    OWN_EUI,
    Activity,
    AlarmRecord,
    Attachment,
    DeviceRecord,
    Fact,
    GatewayRecord,
    ListeningRecord,
    LiveSession,
    PathRecord,
    RefusedConnection,
    Replay,
    Silence,
    StationEntry,
    StationRecord,
    TelegramKey,
    UnknownRecord,
)
from bssci.journal.published_states import PublishedStates
from bssci.journal.records import (
    AuditEntry,
    DownlinkPicture,
    Left,
    Loaded,
    Registration,
    StoredDownlink,
    StoredRequest,
    StoredSession,
    Usage,
)
from bssci.journal.sqlite.copying import OWN_FILES, copy_journal, no_service, replacement
from bssci.journal.sqlite.database import check_journal, holder
from bssci.journal.sqlite.inspection import inspect
from bssci.journal.sqlite.journal import open_journal
from bssci.journal.storage_lines import StorageLines

__all__ = [
    "DirectoryInUse",
    "Activity",
    "AlarmRecord",
    "Attachment",
    "AuditEntry",
    "Change",
    "DeviceRecord",
    "DownlinkPicture",
    "OWN_EUI",
    "Fact",
    "GatewayRecord",
    "Journal",
    "JournalBusy",
    "JournalError",
    "Left",
    "ListeningRecord",
    "LiveSession",
    "Loaded",
    "OWN_FILES",
    "PathRecord",
    "PublishedStates",
    "RefusedConnection",
    "Registration",
    "Replay",
    "Silence",
    "StationEntry",
    "StationRecord",
    "StorageError",
    "StorageLines",
    "StoredDownlink",
    "StoredRequest",
    "StoredSession",
    "TelegramKey",
    "UnknownRecord",
    "Usage",
    "check_journal",
    "copy_journal",
    "inspect",
    "holder",
    "no_service",
    "open_journal",
    "replacement",
]
