-- Ids of the newest telegrams of devices that are no mioty sensors: one that is delivered again is known by
-- its id. A ring: the newest takes the place of the oldest.
CREATE TABLE telegram_key (
    slot INTEGER PRIMARY KEY,
    -- in the order in which they came
    number INTEGER NOT NULL,
    id TEXT NOT NULL
);
