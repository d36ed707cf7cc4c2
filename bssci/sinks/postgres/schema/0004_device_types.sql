-- The model of a device, if one is set, and the manufacturer that follows from its decoder, in the columns where older
-- pipelines had them.

CREATE OR REPLACE VIEW devices AS
SELECT substr(id, strpos(id, ':') + 1) AS address,
       name,
       coalesce(nullif(model, ''), kind) AS device_type,
       CASE split_part(decoder, '@', 1)
           WHEN 'atc' THEN 'Xiaomi'
           WHEN 'xiaomi' THEN 'Xiaomi'
           WHEN 'govee' THEN 'Govee'
           WHEN 'ruuvi' THEN 'Ruuvi'
           WHEN 'switchbot' THEN 'SwitchBot'
           WHEN 'ibeacon' THEN 'Apple'
       END AS manufacturer,
       split_part(decoder, '@', 1) AS parser_type,
       jsonb_strip_nulls(jsonb_build_object(
           'id', id, 'model', model, 'decoder', decoder, 'parent', parent, 'port', port,
           'tags', tags, 'location', location, 'count', count
       )) AS metadata,
       first_seen,
       last_seen,
       blocked AS is_blocked
FROM device;
