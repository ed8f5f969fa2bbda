-- The second factor of an account: the secret of an authenticator app, and recovery codes.

CREATE TABLE second_factors (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Names the enrolment: beginning again makes another one.
    id UUID NOT NULL,
    -- The secret, sealed with AES-256-GCM under a key that is not in the database.
    sealed_secret BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- The latest time step whose code was used: no code of it, or of one before, is good again.
    last_step BIGINT NOT NULL,
    -- Wrong codes since the last right one, and until when none is looked at because of them.
    failures BIGINT NOT NULL,
    blocked_until TIMESTAMPTZ
);

CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BYTEA NOT NULL,
    used_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, code_hash)
);

-- Since when the factor counts; null before it is confirmed and without one.
ALTER TABLE users ADD COLUMN factor_since TIMESTAMPTZ;
