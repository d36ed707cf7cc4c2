-- Hourly and daily values. If TimescaleDB has continuous aggregates, the sink makes the two views read
-- from those instead; names and columns stay the same.

-- Hours of a device with readings that are not rolled up yet.
CREATE TABLE rollup_due (
    hour   timestamptz NOT NULL,
    device text        NOT NULL,
    PRIMARY KEY (hour, device)
);

CREATE TABLE rollup_hourly (
    hour    timestamptz NOT NULL,
    device  text        NOT NULL,
    name    text        NOT NULL,
    unit    text,
    count   bigint      NOT NULL,
    average double precision,
    minimum double precision,
    maximum double precision,
    last    double precision,
    PRIMARY KEY (device, hour, name)
);
CREATE INDEX rollup_hourly_hour ON rollup_hourly USING brin (hour);

CREATE TABLE rollup_daily (
    day     timestamptz NOT NULL,       -- midnight UTC
    device  text        NOT NULL,
    name    text        NOT NULL,
    unit    text,
    count   bigint      NOT NULL,
    average double precision,
    minimum double precision,
    maximum double precision,
    last    double precision,
    PRIMARY KEY (device, day, name)
);

-- Hours that are due are computed by the query, so the view is never out of date.
CREATE VIEW reading_hourly AS
SELECT hour, device, name, unit, count, average, minimum, maximum, last
FROM rollup_hourly stored
WHERE NOT EXISTS (SELECT FROM rollup_due due WHERE due.hour = stored.hour AND due.device = stored.device)
UNION ALL
SELECT due.hour, due.device, made.*
FROM rollup_due due CROSS JOIN LATERAL (
    SELECT name, max(unit), count(value), avg(value), min(value), max(value),
           (array_agg(value ORDER BY time DESC))[1]
    FROM reading
    WHERE device = due.device AND time >= due.hour AND time < due.hour + interval '1 hour'
      AND value IS NOT NULL
    GROUP BY name) made;

CREATE VIEW reading_daily AS
WITH due AS (SELECT DISTINCT date_trunc('day', hour, 'UTC') AS day, device FROM rollup_due)
SELECT day, device, name, unit, count, average, minimum, maximum, last
FROM rollup_daily stored
WHERE NOT EXISTS (SELECT FROM due WHERE due.day = stored.day AND due.device = stored.device)
UNION ALL
SELECT due.day, due.device, made.*
FROM due CROSS JOIN LATERAL (
    SELECT name, max(unit), sum(count)::bigint, sum(average * count) / sum(count),
           min(minimum), max(maximum), (array_agg(last ORDER BY hour DESC))[1]
    FROM reading_hourly
    WHERE device = due.device AND hour >= due.day AND hour < due.day + interval '1 day'
    GROUP BY name) made;
