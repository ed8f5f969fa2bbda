-- How many people are students of the course: its active enrolments, counted in their transactions. No CHECK, which would
-- read the whole table under its lock.
ALTER TABLE courses ADD COLUMN student_count BIGINT NOT NULL DEFAULT 0;
