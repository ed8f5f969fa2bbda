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

-- Who was told that courses of somebody erased have come to them, so that they are told once, however often
-- course-service says so.
CREATE TABLE erasure_heirs (
    heir_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    erased_id UUID NOT NULL REFERENCES erasures (user_id),
    PRIMARY KEY (heir_id, erased_id)
);
