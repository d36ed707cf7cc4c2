-- The tables of the sink. Columns are added by later files, never renamed or removed.
--
-- Every unique key begins with its time: new rows go to the right edge of the index, ranges of time are read and
-- deleted with it, and TimescaleDB requires the column by which it partitions a table.

-- Every telegram, as it was received.
CREATE TABLE raw (
    received_at timestamptz NOT NULL,   -- by the clock of the service center
    id          text        NOT NULL,   -- the same at every delivery
    device      text        NOT NULL,   -- with its kind in front: mioty:70B3D56770110001
    gateway     text        NOT NULL,   -- the base station that heard it best, or the scanner, or the controller
    source      text        NOT NULL,   -- how it came: bssci, or the source's name
    payload     jsonb       NOT NULL,   -- all fields that were received, named as on MQTT
    bytes       bytea       NOT NULL    -- the telegram itself
);
CREATE UNIQUE INDEX raw_key ON raw (received_at, id);
CREATE INDEX raw_device ON raw (device, received_at DESC);

-- One row for each measured value.
CREATE TABLE reading (
    time    timestamptz      NOT NULL,  -- of the device or the gateway if plausible, else when it was received
    device  text             NOT NULL,  -- the device that the value belongs to
    name    text             NOT NULL,
    value   double precision,           -- a number; 1 and 0 for true and false
    text    text,                       -- other than a number; true and false; an integer that value cannot hold
    unit    text,
    id      text             NOT NULL,  -- raw.id
    gateway text             NOT NULL,
    decoder text             NOT NULL,  -- name@version
    topic   text                        -- of a telegram that came by MQTT
);
CREATE UNIQUE INDEX reading_key ON reading (time, device, name, id);
CREATE INDEX reading_device ON reading (device, time DESC);

-- Everything that sends.
CREATE TABLE device (
    id         text        PRIMARY KEY,
    kind       text        NOT NULL,    -- mioty, ble, f2, ...
    name       text,
    model      text,
    decoder    text,                    -- the decoder that read its last telegram
    parent     text,                    -- the device that it is connected to
    port       text,                    -- its port at the parent
    tags       jsonb,
    location   jsonb,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL,
    count      bigint      NOT NULL,    -- telegrams, each once
    blocked    boolean     NOT NULL DEFAULT false
);

-- Base stations, scanners, controllers.
CREATE TABLE gateway (
    id        text        PRIMARY KEY,
    kind      text        NOT NULL,     -- station, scanner, controller
    name      text,
    location  jsonb,
    state     text,                     -- online, offline, degraded
    state_at  timestamptz,              -- since when
    last_seen timestamptz NOT NULL,
    status    jsonb,                    -- its last report about itself
    status_at timestamptz
);

-- Events other than telegrams.
CREATE TABLE event (
    time    timestamptz NOT NULL,
    kind    text        NOT NULL,
    device  text,
    gateway text,
    body    jsonb       NOT NULL,
    id      text        NOT NULL        -- computed from its content: the same at every delivery
);
CREATE UNIQUE INDEX event_key ON event (time, id);
CREATE INDEX event_device ON event (device, time DESC);

-- Telegrams and events that could not be stored above, so that nothing else had to wait for them.
CREATE TABLE set_aside (
    time   timestamptz NOT NULL,
    id     text        NOT NULL,        -- of the telegram or event
    reason text        NOT NULL,
    body   text        NOT NULL         -- JSON as text: it may hold what jsonb refuses
);
CREATE UNIQUE INDEX set_aside_key ON set_aside (id, md5(reason));
CREATE INDEX set_aside_time ON set_aside (time);
