-- Courses, their slugs and who teaches them.
-- One text for PostgreSQL and SQLite: no DEFAULT now(), no identity columns, BIGINT for whole numbers.

CREATE TABLE courses (
    id UUID PRIMARY KEY,
    title TEXT NOT NULL,
    -- Digest of the folded title: unique without case, short enough for any index.
    title_key BYTEA NOT NULL,
    -- Folded title, as bytes so that both databases order it alike.
    title_order BYTEA NOT NULL,
    subtitle TEXT,
    -- The current slug; all it ever had are in course_slugs.
    slug TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Folded title, line break, folded subtitle and description.
    search_text TEXT NOT NULL,
    -- In minor units; a free course is one that costs nothing.
    price BIGINT NOT NULL CHECK (price BETWEEN 0 AND 99999999),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    state TEXT NOT NULL CHECK (state IN ('draft', 'published', 'archived')),
    -- Who teaches the course, in order, as JSON: part of every representation, so it is read with the row.
    instructors TEXT NOT NULL CHECK (length(instructors) > 2),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- The version of the representation: every change of a row adds one.
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX courses_title_key ON courses (title_key);
-- One index per order, for staff, who see all courses, and for everyone else.
CREATE INDEX courses_created_at ON courses (created_at, id);
CREATE INDEX courses_title_order ON courses (title_order, id);
CREATE INDEX courses_price ON courses (price, id);
CREATE INDEX courses_published_created_at ON courses (created_at, id) WHERE state = 'published';
CREATE INDEX courses_published_title_order ON courses (title_order, id) WHERE state = 'published';
CREATE INDEX courses_published_price ON courses (price, id) WHERE state = 'published';

-- Every slug a course has or had. One space for both, so an address never leads to another course.
CREATE TABLE course_slugs (
    slug TEXT PRIMARY KEY CHECK (length(slug) BETWEEN 1 AND 200),
    course_id UUID NOT NULL REFERENCES courses (id) ON DELETE CASCADE
);
CREATE INDEX course_slugs_course ON course_slugs (course_id);

-- The last number that was put after a slug which was taken.
CREATE TABLE slug_numbers (
    slug TEXT PRIMARY KEY,
    last_number BIGINT NOT NULL
);

-- The names of everyone who teaches, as last heard from auth-service.
CREATE TABLE instructors (
    user_id UUID PRIMARY KEY,
    username TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL
);

-- Who teaches what: the index of courses.instructors by user, written with it.
CREATE TABLE course_instructors (
    user_id UUID NOT NULL REFERENCES instructors (user_id),
    course_id UUID NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, course_id)
);
CREATE INDEX course_instructors_course ON course_instructors (course_id);

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
