-- What every service has to hear of at once: sessions that ended, users that changed, keys that changed. Rows are
-- written in the transaction that did it, and removed when no access token can live that they are about.

-- Each of those transactions adds one to this row and holds its lock until it ends. So revisions are in the order of
-- commits, and whoever has read one has read all before it.
INSERT INTO guards (name, revision) VALUES ('security', 0);

CREATE TABLE security_changes (
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('session_ended', 'user_changed', 'keys_changed')),
    -- Which session or user; nil for the keys.
    subject_id UUID NOT NULL,
    time TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (revision, kind, subject_id)
);
CREATE INDEX security_changes_time ON security_changes (time);
