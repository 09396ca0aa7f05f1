-- For finding and deleting the spends of old days without reading the others.
CREATE INDEX spends_by_day ON spends (day);
