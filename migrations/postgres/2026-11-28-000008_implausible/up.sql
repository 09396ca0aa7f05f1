-- More remaining clicks than this count as unknown; NULL: the config's bound.
ALTER TABLE campaigns ADD COLUMN implausible_clicks BIGINT;
