-- Kept messages that are delivered again to one sink, on request.
CREATE TABLE replay (
    number INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    -- Unix seconds, both inclusive
    from_at REAL NOT NULL,
    to_at REAL NOT NULL,
    -- MessagePack list of ids of the senders; empty: all
    devices BLOB NOT NULL,
    -- who asked, and when
    asked_by TEXT NOT NULL,
    asked_at REAL NOT NULL,
    -- open, done, cancelled
    state TEXT NOT NULL,
    ended_at REAL,
    -- numbers of events: before the first, the last that is dealt with, the last of all; NULL: not looked for
    first_seq INTEGER,
    seq INTEGER,
    last_seq INTEGER,
    -- messages that the sink took
    delivered INTEGER NOT NULL
);
