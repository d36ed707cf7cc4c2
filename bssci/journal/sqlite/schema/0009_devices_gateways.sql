-- Devices that are no mioty sensors, known and lately heard, and the gateways that hear them: one BLOB each,
-- as their writer encoded it.
CREATE TABLE device (
    -- with the kind in front: ble:AA:BB:CC:DD:EE:FF
    id TEXT PRIMARY KEY,
    body BLOB NOT NULL
);

CREATE TABLE gateway (
    -- with the kind in front: scanner:roof
    id TEXT PRIMARY KEY,
    body BLOB NOT NULL
);
