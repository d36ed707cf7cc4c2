-- What must outlive a crash.
--
-- EUIs are 16 upper-case hexadecimal digits. Times named *_at (and "at") are
-- Unix seconds of the service center's clock. A BLOB is MessagePack unless said.

-- The inbox: receptions that were acknowledged to a base station and are not
-- yet part of an event. One row holds everything that one commit brought in:
-- an array of arrays of receptions. "position" is that of the last of them.
CREATE TABLE reception_batch (
    position INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- What happened, in the order in which sinks get it. The columns beside "body"
-- repeat what is searched for.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    end_point_eui TEXT,
    -- of an uplink: the station that received it best
    base_station_eui TEXT,
    -- uplinks only
    packet_counter INTEGER,
    at REAL NOT NULL,
    body BLOB NOT NULL
);

-- Finds the uplink that a late reception is a copy of, and a sensor's uplinks.
-- Those behind the checkpoint "uplink_key" are not in here yet, and one may be
-- in here twice.
CREATE TABLE uplink_key (
    id INTEGER PRIMARY KEY,
    end_point_eui TEXT NOT NULL,
    packet_counter INTEGER NOT NULL,
    seq INTEGER NOT NULL
);

CREATE INDEX uplink_key_counter ON uplink_key (end_point_eui, packet_counter, seq);
CREATE INDEX uplink_key_seq ON uplink_key (end_point_eui, seq);

-- Receptions that came after their uplink was published: recorded, never
-- published. "body" is one reception.
CREATE TABLE late_copy (
    event_seq INTEGER NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX late_copy_event ON late_copy (event_seq);

-- The session that each base station may resume.
CREATE TABLE session (
    base_station_eui TEXT PRIMARY KEY,
    -- 16 bytes each: the station's and our identifier of the session
    sn_bs_uuid BLOB NOT NULL,
    sn_sc_uuid BLOB NOT NULL,
    -- the version that was agreed on
    version TEXT NOT NULL,
    -- the highest operation id of the station that we have seen
    last_bs_op_id INTEGER NOT NULL,
    -- the lowest operation id that we have issued
    last_sc_op_id INTEGER NOT NULL,
    created_at REAL NOT NULL
);

-- Operations that we began in a session and the station has not completed:
-- issued again when it resumes. "message" is what its writer made of it.
CREATE TABLE open_operation (
    base_station_eui TEXT NOT NULL,
    op_id INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (base_station_eui, op_id)
);

-- What a station was told about a sensor in its present session, and what it
-- answered. "fingerprint" stands for the configuration that it was told.
CREATE TABLE registration (
    base_station_eui TEXT NOT NULL,
    end_point_eui TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    state TEXT NOT NULL,
    -- of a refusal: the station's error code and message
    code INTEGER,
    message TEXT,
    at REAL NOT NULL,
    PRIMARY KEY (base_station_eui, end_point_eui)
);

CREATE INDEX registration_end_point ON registration (end_point_eui);

-- Every base station that ever had a session. "info" is a map.
CREATE TABLE station (
    base_station_eui TEXT PRIMARY KEY,
    first_seen_at REAL NOT NULL,
    last_seen_at REAL NOT NULL,
    vendor TEXT,
    model TEXT,
    name TEXT,
    software_version TEXT,
    info BLOB
);

-- Uplinks of each sensor, summed up to the event that the checkpoint
-- "sensor_activity" names; what came after it is counted from the events.
CREATE TABLE sensor_activity (
    end_point_eui TEXT PRIMARY KEY,
    last_seen_at REAL NOT NULL,
    -- the highest
    packet_counter INTEGER NOT NULL,
    uplink_count INTEGER NOT NULL
);

-- The last event that is contained in what "name" stands for.
CREATE TABLE checkpoint (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
);

-- The last event that each sink has delivered.
CREATE TABLE sink_cursor (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
);

-- Facts about this installation that were drawn once, for example its own EUI.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Sensors that are not just configured, which means attached with their own
-- key: attached over the air, or detached.
CREATE TABLE attachment (
    end_point_eui TEXT PRIMARY KEY,
    -- attached, detached
    state TEXT NOT NULL,
    -- 16 bytes, of an attachment over the air
    session_key BLOB,
    short_address INTEGER,
    -- the last attach counter that was accepted
    attach_counter INTEGER,
    -- command, over the air, inactivity
    reason TEXT NOT NULL,
    since REAL NOT NULL
);

-- Downlinks, those that are over included. The columns beside "body" repeat
-- what is searched for; "place" alone is kept here only.
CREATE TABLE downlink (
    queue_id INTEGER PRIMARY KEY,
    end_point_eui TEXT NOT NULL,
    state TEXT NOT NULL,
    priority REAL NOT NULL,
    -- 1: it waits for certain uplinks, 0: the next one will do
    bound INTEGER NOT NULL,
    -- of a queued one: "" waits here; asked, held, revoking: what its station
    -- was told, or has answered
    place TEXT NOT NULL,
    base_station_eui TEXT,
    -- of the uplink that it answered
    packet_counter INTEGER,
    -- when a queued one must be looked at again
    due_at REAL,
    changed_at REAL NOT NULL,
    body BLOB NOT NULL
);

-- What waits for a sensor, in the order in which it goes out.
CREATE INDEX downlink_queued ON downlink (end_point_eui, place, bound, priority DESC, queue_id)
    WHERE state = 'queued';
CREATE INDEX downlink_due ON downlink (due_at) WHERE state = 'queued' AND due_at IS NOT NULL;
CREATE INDEX downlink_placed ON downlink (base_station_eui) WHERE state = 'queued' AND place <> '';
CREATE INDEX downlink_answer ON downlink (end_point_eui, packet_counter) WHERE packet_counter IS NOT NULL;
CREATE INDEX downlink_sent ON downlink (changed_at) WHERE state = 'sent';
CREATE INDEX downlink_sensor ON downlink (end_point_eui, queue_id);

-- Downlinks that may lie at a station which was away when they were given to
-- another one, or revoked: to be revoked there.
CREATE TABLE downlink_left (
    end_point_eui TEXT NOT NULL,
    queue_id INTEGER NOT NULL,
    base_station_eui TEXT NOT NULL,
    PRIMARY KEY (end_point_eui, queue_id, base_station_eui)
);

CREATE INDEX downlink_left_station ON downlink_left (base_station_eui);

-- By which stations each sensor was heard lately, and how well.
CREATE TABLE path (
    end_point_eui TEXT PRIMARY KEY,
    body BLOB NOT NULL
);

-- When a base station was connected, so that sensors could be heard: what lies
-- between is not held against them. The last interval is prolonged while it lasts.
CREATE TABLE listening (
    number INTEGER PRIMARY KEY,
    began_at REAL NOT NULL,
    ended_at REAL NOT NULL
);

-- Configured sensors: what their uplinks do not tell of their silence.
CREATE TABLE silence (
    end_point_eui TEXT PRIMARY KEY,
    attached_at REAL NOT NULL,
    -- configured, command, over the air
    how TEXT NOT NULL,
    -- the silence, by its beginning, that was warned of
    warned_since REAL,
    -- the silence, by its beginning, that the sensor was detached for
    detached_since REAL
);

-- Sensors that were heard and are not configured.
CREATE TABLE unknown_sensor (
    end_point_eui TEXT PRIMARY KEY,
    body BLOB NOT NULL
);
