-- What the web admin keeps, and how it finds the past of one sensor or station.

-- Who changed what, or was shown a secret.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    -- an account, or "token NAME"
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    -- what it was done to: an EUI, a setting, a file
    target TEXT NOT NULL,
    -- text for people, without secrets
    detail TEXT NOT NULL
);

-- Figures for charts, one row a minute and metric.
CREATE TABLE sample (
    metric TEXT NOT NULL,
    at REAL NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (metric, at)
) WITHOUT ROWID;

CREATE INDEX sample_at ON sample (at);

-- Uplinks are the mass of events, and have an index of their own.
CREATE INDEX event_sensor ON event (end_point_eui, seq) WHERE kind <> 'uplink' AND end_point_eui IS NOT NULL;
CREATE INDEX event_station ON event (base_station_eui, seq) WHERE kind <> 'uplink' AND base_station_eui IS NOT NULL;
