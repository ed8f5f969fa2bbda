-- Mail that waits to be sent: a row is written in the transaction that causes the mail.

CREATE TABLE mail_outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    -- The token whose link the mail holds. The token itself is derived when the mail is rendered.
    token_id UUID REFERENCES mail_tokens (id) ON DELETE CASCADE,
    -- expired: its link ran out or was used before the mail could be sent. dead: a person has to look.
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'expired', 'dead')),
    created_at TIMESTAMPTZ NOT NULL,
    -- After this the mail is worth nothing and is not sent.
    expires_at TIMESTAMPTZ,
    attempts BIGINT NOT NULL,
    -- From then on a worker may claim it. A claim moves this to the end of the worker's lease, so a mail
    -- whose worker died is due again by itself.
    next_attempt_at TIMESTAMPTZ NOT NULL,
    -- The latest claim: only its holder may say what became of the mail.
    lease_id UUID,
    last_error TEXT,
    finished_at TIMESTAMPTZ
);
CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE state = 'queued';
CREATE INDEX mail_outbox_finished ON mail_outbox (finished_at) WHERE finished_at IS NOT NULL;
-- For the cascade: without it the removal of every token would read the whole table.
CREATE INDEX mail_outbox_token ON mail_outbox (token_id);
