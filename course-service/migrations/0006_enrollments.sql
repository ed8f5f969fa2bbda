-- Everyone who is or was enrolled in something, or is erased: the ids alone. Whoever enrols somebody holds the lock of
-- their row, which also says whether that may be.
CREATE TABLE students (
    user_id UUID PRIMARY KEY,
    is_erased BOOLEAN NOT NULL
);
INSERT INTO students (user_id, is_erased) SELECT user_id, TRUE FROM erased_people;

-- Who studies what: one row for a person and a course, whatever became of it.
CREATE TABLE enrollments (
    id UUID PRIMARY KEY,
    course_id UUID NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    student_id UUID NOT NULL REFERENCES students (user_id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'cancelled')),
    -- What the course cost then, in minor units.
    price BIGINT NOT NULL CHECK (price BETWEEN 0 AND 99999999),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    enrolled_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX enrollments_once ON enrollments (course_id, student_id);
CREATE INDEX enrollments_course ON enrollments (course_id, enrolled_at, id);
CREATE INDEX enrollments_student ON enrollments (student_id, enrolled_at, id);

-- The payments that were confirmed. A reference pays once, also when the enrolment it paid for is gone.
CREATE TABLE payments (
    reference TEXT PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 100),
    enrollment_id UUID REFERENCES enrollments (id) ON DELETE SET NULL,
    confirmed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payments_enrollment ON payments (enrollment_id);
