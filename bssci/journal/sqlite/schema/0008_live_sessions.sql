-- Sessions of clients of the live stream that may come back.
CREATE TABLE live_session (
    -- token's id and client identifier
    key TEXT PRIMARY KEY,
    token_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- MessagePack map: granted QoS by topic filter
    filters BLOB NOT NULL,
    -- number of the last event that the client is known to have
    position INTEGER NOT NULL,
    -- Unix seconds
    seen_at REAL NOT NULL
);
