-- The click thresholds from the spend limit on, for the high-spend policy guard. NULL for the config's value.
ALTER TABLE campaigns ADD COLUMN high_activate_clicks INTEGER;
ALTER TABLE campaigns ADD COLUMN high_pause_clicks INTEGER;
