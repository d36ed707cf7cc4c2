-- What queries need where a table has a million rows.

-- With the kind: events of a rare kind are found without looking at all others of the same sensor or station.
DROP INDEX event_sensor;
DROP INDEX event_station;
CREATE INDEX event_sensor ON event (end_point_eui, seq, kind)
    WHERE kind <> 'uplink' AND end_point_eui IS NOT NULL;
CREATE INDEX event_station ON event (base_station_eui, seq, kind)
    WHERE kind <> 'uplink' AND base_station_eui IS NOT NULL;

-- Downlinks that are over, to be deleted after their retention.
CREATE INDEX downlink_over ON downlink (changed_at) WHERE state <> 'queued';

-- Registrations are attached, with few exceptions.
CREATE INDEX registration_other ON registration (state, base_station_eui, end_point_eui)
    WHERE state <> 'attached';
