-- Who was erased, and whether the other services know. The id alone: it leads nowhere any more.
CREATE TABLE erasures (
    user_id UUID PRIMARY KEY,
    erased_at TIMESTAMPTZ NOT NULL,
    -- When course-service had erased its part.
    acknowledged_at TIMESTAMPTZ,
    attempts BIGINT NOT NULL,
    -- From then on course-service may be told. Whoever tells it moves this on, so that nobody else does meanwhile.
    next_attempt_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX erasures_due ON erasures (next_attempt_at) WHERE acknowledged_at IS NULL;
CREATE INDEX erasures_time ON erasures (erased_at, user_id);
