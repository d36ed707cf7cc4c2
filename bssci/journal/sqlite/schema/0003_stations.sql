-- What is told of a base station that is away; not known of those that this
-- version has not seen yet.

-- where it connected from, as host:port
ALTER TABLE station ADD COLUMN address TEXT;
-- the one that it showed, as DER
ALTER TABLE station ADD COLUMN certificate BLOB;
-- why it went; empty while it is here
ALTER TABLE station ADD COLUMN reason TEXT;
