-- Who is erased: the id alone, which nobody may give to an instructor again. Whoever writes an instructor into a course
-- looks here under the lock of that person's row in instructors, which is also taken before a row is written here.
CREATE TABLE erased_people (
    user_id UUID PRIMARY KEY,
    erased_at TIMESTAMPTZ NOT NULL
);

-- To whom courses of erased people went, for as long as those are not erased too: the ids alone.
CREATE TABLE inheritances (
    erased_id UUID NOT NULL REFERENCES erased_people (user_id),
    heir_id UUID NOT NULL,
    PRIMARY KEY (erased_id, heir_id)
);
CREATE INDEX inheritances_heir ON inheritances (heir_id);
