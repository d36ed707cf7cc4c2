-- With which network key of the sensor an attachment was made: endpoints.json
-- may be edited while the service is down.
-- The beginning of the key's digest; NULL: not known.
ALTER TABLE attachment ADD COLUMN key_digest BLOB;
