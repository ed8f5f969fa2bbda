-- How often somebody had reason to doubt that all courses of a person have these names; 0 once that is sure.
ALTER TABLE instructors ADD COLUMN doubts BIGINT NOT NULL DEFAULT 0;
