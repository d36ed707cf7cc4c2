-- What people have entered about a base station, also before it connects.
CREATE TABLE station_entry (
    base_station_eui TEXT PRIMARY KEY,
    -- empty: as the station calls itself
    name TEXT NOT NULL,
    -- MessagePack map with lat and lon (degrees) and text, each optional; NULL: not entered
    location BLOB,
    -- MessagePack list of texts
    tags BLOB NOT NULL,
    note TEXT NOT NULL,
    -- Unix seconds
    entered_at REAL NOT NULL,
    -- Unix seconds since when it is refused, and who said so; NULL: it is not
    blocked_at REAL,
    blocked_by TEXT
) WITHOUT ROWID;

-- Connections that were refused, of one address for one reason, summed up.
CREATE TABLE refusal (
    -- digest of address, reason and station
    key TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- what to do about it
    remedy TEXT NOT NULL,
    -- the station that it said to be, or that its certificate names
    base_station_eui TEXT,
    -- of the certificate that it showed
    subject TEXT,
    issuer TEXT,
    count INTEGER NOT NULL,
    -- Unix seconds, of the first and of the last
    first_at REAL NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

-- What was wrong, since when and until when.
CREATE TABLE alarm (
    number INTEGER PRIMARY KEY,
    -- the condition's name, with its subject: station-offline:CAFE000000000001
    id TEXT NOT NULL,
    -- error, warning
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    -- page of the web admin where one sees more of it
    href TEXT NOT NULL,
    -- Unix seconds
    since REAL NOT NULL,
    -- Unix seconds; NULL: it is still wrong
    until REAL,
    -- how often it came back in between
    returns INTEGER NOT NULL,
    acknowledged_by TEXT,
    acknowledged_at REAL,
    -- 1 once a message about its beginning has gone out, or was not wanted; and about its end
    begin_told INTEGER NOT NULL,
    end_told INTEGER NOT NULL
);
