-- Who is erased: the id alone, which nobody may give to an instructor again. Whoever writes an instructor into a course
-- looks here under the lock of that person's row in instructors, which is also taken before a row is written here.
CREATE TABLE erased_people (
    user_id UUID PRIMARY KEY,
    erased_at TIMESTAMPTZ NOT NULL,
    -- How many of their courses went to an heir.
    inherited BIGINT NOT NULL
);
