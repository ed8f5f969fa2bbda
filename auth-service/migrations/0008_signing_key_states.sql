-- A signing key is published before it signs: next, active, retiring, gone.

-- Whatever changes the state of a key holds the lock of this row: rotations and revocations come one after another.
INSERT INTO guards (name, revision) VALUES ('signing_keys', 0);

-- The release before knows only `retired_at`: null signs, anything else verifies for a while longer. To it a next key is
-- one that retires at the end of time: it publishes it, verifies with it, never signs with it and never removes it.
ALTER TABLE signing_keys ADD COLUMN is_next BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT is_next OR retired_at IS NOT NULL);
-- From when the key may sign: it has been published for long enough then. Null for keys of the release before.
ALTER TABLE signing_keys ADD COLUMN may_sign_from TIMESTAMPTZ
    CHECK (may_sign_from IS NOT NULL OR NOT is_next);
-- Since when it signs, or has signed. Whatever waited signs no sooner than it may.
ALTER TABLE signing_keys ADD COLUMN active_from TIMESTAMPTZ
    CHECK (is_next OR may_sign_from IS NULL OR (active_from IS NOT NULL AND active_from >= may_sign_from));
-- At most one key is next.
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (is_next) WHERE is_next;
