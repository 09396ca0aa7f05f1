-- Spends of days long past are found and deleted without reading the others.
CREATE INDEX spends_by_day ON spends (day);
