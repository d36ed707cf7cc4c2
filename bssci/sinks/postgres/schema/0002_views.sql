-- The tables of older Bluetooth and controller pipelines, as views with the columns that people query.
-- A device's address is its id without the kind in front.

CREATE VIEW raw_advertisements AS
SELECT id,
       received_at,
       gateway AS scanner_id,
       substr(device, 5) AS device_address,
       coalesce(payload #>> '{envelope,device,name}', payload #>> '{envelope,name}') AS device_name,
       (payload ->> 'rssi')::double precision AS rssi,
       coalesce(payload -> 'envelope', payload) AS raw_payload
FROM raw
WHERE device LIKE 'ble:%';

-- One row for each telegram, with all its readings in one object.
CREATE VIEW sensor_readings AS
SELECT id,
       time AS "timestamp",
       substr(device, strpos(device, ':') + 1) AS device_address,
       split_part(decoder, '@', 1) AS sensor_type,
       jsonb_object_agg(
           name,
           CASE WHEN text IN ('true', 'false') AND value IS NOT NULL THEN to_jsonb(text = 'true')
                WHEN value IS NOT NULL THEN to_jsonb(value)
                ELSE to_jsonb(text) END
       ) AS readings,
       id AS raw_advertisement_id
FROM reading
GROUP BY time, id, device, decoder;

CREATE VIEW devices AS
SELECT substr(id, strpos(id, ':') + 1) AS address,
       name,
       kind AS device_type,
       NULL::text AS manufacturer,
       split_part(decoder, '@', 1) AS parser_type,
       jsonb_strip_nulls(jsonb_build_object(
           'id', id, 'model', model, 'decoder', decoder, 'parent', parent, 'port', port,
           'tags', tags, 'location', location, 'count', count
       )) AS metadata,
       first_seen,
       last_seen,
       blocked AS is_blocked
FROM device;

CREATE VIEW scanners AS
SELECT id AS scanner_id,
       location,
       last_seen AS last_heartbeat,
       state AS status,
       status AS metadata
FROM gateway
WHERE kind = 'scanner';

-- topic: tele/f2-{mac}/{mode}/J{1..4}/{component}; the component's number is the pin
CREATE VIEW iot_measurements AS
SELECT time AS "timestamp",
       CASE WHEN topic IS NOT NULL THEN split_part(topic, '/', 2)
            WHEN device LIKE 'f2:%' THEN 'f2-' || split_part(substr(device, 4), '/', 1)
            ELSE device END AS device_id,
       nullif(split_part(topic, '/', 3), '') AS connector_mode,
       coalesce(regexp_replace(nullif(split_part(topic, '/', 5), ''), '-[0-9]+$', ''), name) AS component_type,
       coalesce(substring(split_part(topic, '/', 5) FROM '-([0-9]+)$'),
                substring(device FROM '^f2:.*/([0-9]+)$'))::integer AS pin_position,
       value,
       unit,
       topic,
       name,
       device
FROM reading;
