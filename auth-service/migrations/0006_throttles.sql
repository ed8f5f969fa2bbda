-- What is limited, and how much of it was used lately: the generic cell rate algorithm, one row for each lane.
-- Times are microseconds since 1970, because one statement adds and compares them on both databases.

CREATE TABLE throttles (
    kind TEXT NOT NULL,
    -- Whose, and from where, as keyed hashes that say neither; empty where it does not matter.
    account BYTEA NOT NULL,
    network BYTEA NOT NULL,
    -- When the lane was first used.
    since BIGINT NOT NULL,
    -- By when everything that was counted is worked off, and what that was before the latest attempt.
    paid_at BIGINT NOT NULL,
    was BIGINT NOT NULL,
    -- What the latest attempt brought along: it counted if that was not later than `bound`, and nothing moves
    -- paid_at beyond `most`.
    bound BIGINT NOT NULL,
    most BIGINT NOT NULL,
    PRIMARY KEY (kind, account, network)
);
CREATE INDEX throttles_paid ON throttles (kind, paid_at);

-- The networks from which the account last logged in, as keyed hashes of 16 bytes each, the newest first.
ALTER TABLE users ADD COLUMN known_networks BYTEA;
