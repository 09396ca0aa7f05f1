-- More remaining clicks than this count as unknown. NULL for the config's value.
ALTER TABLE campaigns ADD COLUMN implausible_clicks BIGINT;
