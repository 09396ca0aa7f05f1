-- The name of the campaign's group, which the config describes. NULL for no group.
ALTER TABLE campaigns ADD COLUMN group_name TEXT;
