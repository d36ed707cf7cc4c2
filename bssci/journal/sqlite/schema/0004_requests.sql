-- Requests that came in and are to be carried out once: kept from before their
-- sender hears that we have them until some time after they are answered.
CREATE TABLE request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- who brought it, for example the sink "mqtt"
    source TEXT NOT NULL,
    -- where it came in, and what it said, as it came
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    -- received, done, failed
    state TEXT NOT NULL,
    -- what the sender was told in the end, as its source encoded it
    answer BLOB,
    answered_at REAL
);

CREATE INDEX request_open ON request (number) WHERE state = 'received';
CREATE INDEX request_source ON request (source, topic, number);
CREATE INDEX request_answered ON request (answered_at) WHERE answered_at IS NOT NULL;
