-- Longer than a statement of a request may take.
SELECT pg_sleep(6);
ALTER TABLE things ADD COLUMN name TEXT;
