-- What the sink keeps. Columns are added by later files, never renamed or removed.
--
-- Every unique key begins with its time: new rows go to the right edge of the index, a range of time is read and
-- deleted by it, and TimescaleDB asks for the column by which it cuts a table.

-- Every telegram, as it was received.
CREATE TABLE raw (
    received_at timestamptz NOT NULL,   -- by the clock of the service center
    id          text        NOT NULL,   -- the same at every delivery
    device      text        NOT NULL,   -- with its kind in front: mioty:70B3D56770110001
    gateway     text        NOT NULL,   -- the base station that heard it best, or the scanner, or the controller
    source      text        NOT NULL,   -- how it came: bssci, or the source's name
    payload     jsonb       NOT NULL,   -- all that was received, named as on MQTT
    bytes       bytea       NOT NULL    -- the telegram itself
);
CREATE UNIQUE INDEX raw_key ON raw (received_at, id);
CREATE INDEX raw_device ON raw (device, received_at DESC);

-- One row a measured value.
CREATE TABLE reading (
    time    timestamptz      NOT NULL,  -- of the device or the gateway where believable, else when it was received
    device  text             NOT NULL,  -- that the value belongs to
    name    text             NOT NULL,
    value   double precision,           -- a number; 1 and 0 for true and false
    text    text,                       -- what is no number; true and false; an integer that value cannot hold
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
    decoder    text,                    -- that read it last
    parent     text,                    -- the device that it is connected to
    port       text,                    -- where, at the parent
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

-- What happened beside telegrams.
CREATE TABLE event (
    time    timestamptz NOT NULL,
    kind    text        NOT NULL,
    device  text,
    gateway text,
    body    jsonb       NOT NULL,
    id      text        NOT NULL        -- drawn from its content: the same at every delivery
);
CREATE UNIQUE INDEX event_key ON event (time, id);
CREATE INDEX event_device ON event (device, time DESC);

-- What could not be stored above, so that nothing else had to wait for it.
CREATE TABLE set_aside (
    time   timestamptz NOT NULL,
    id     text        NOT NULL,        -- of the telegram or event
    reason text        NOT NULL,
    body   text        NOT NULL         -- JSON as text: it may hold what jsonb refuses
);
CREATE UNIQUE INDEX set_aside_key ON set_aside (id, md5(reason));
CREATE INDEX set_aside_time ON set_aside (time);
