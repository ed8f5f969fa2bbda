-- A deleted course keeps everything it had, its title and slugs among it, until it is purged.
ALTER TABLE courses ADD COLUMN deleted_at TIMESTAMPTZ;
