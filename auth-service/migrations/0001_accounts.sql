-- Accounts, their sessions, the tokens in mails, the signing keys and the trail.
-- One text for PostgreSQL and SQLite: no DEFAULT now(), no identity columns, BIGINT for whole numbers.

CREATE TABLE users (
    id UUID PRIMARY KEY,
    -- As the person wrote it, and folded for comparing: unique without case.
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    bio TEXT NOT NULL,
    user_greeting TEXT NOT NULL,
    color_mode TEXT NOT NULL CHECK (color_mode IN ('light', 'dark')),
    dashboard_first_date TEXT,
    dashboard_second_date TEXT,
    is_active BOOLEAN NOT NULL,
    is_staff BOOLEAN NOT NULL,
    -- When the address was first proved; accounts without it are removed after a while.
    verified_at TIMESTAMPTZ,
    pending_username TEXT,
    date_joined TIMESTAMPTZ NOT NULL,
    last_login TIMESTAMPTZ,
    -- Address and names, folded: what a search looks at.
    search_text TEXT NOT NULL,
    -- The version of the representation: every change of a row adds one.
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE INDEX users_date_joined ON users (date_joined, id);
CREATE INDEX users_unverified ON users (date_joined) WHERE verified_at IS NULL;

-- Rows whose lock stands for a rule over many rows: 'staff' for "an active staff user is left".
CREATE TABLE guards (
    name TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO guards (name, revision) VALUES ('staff', 0);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Refresh tokens are derived from this salt and a key that is not in the database.
    salt BYTEA NOT NULL,
    -- How often the session was refreshed: the only refresh token that counts is the one of this number.
    refresh_counter BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    factors TEXT NOT NULL,
    auth_time TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    end_reason TEXT
);
CREATE INDEX sessions_user ON sessions (user_id, created_at, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE mail_tokens (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'confirm_username')),
    -- The address the mail goes to.
    username TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX mail_tokens_user ON mail_tokens (user_id);
CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    public_key BYTEA NOT NULL,
    -- Sealed with AES-256-GCM under a key that is not in the database.
    sealed_private_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- Null while the key signs; afterwards it only verifies until no token of it can live.
    retired_at TIMESTAMPTZ
);
-- At most one key signs.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys ((retired_at IS NULL)) WHERE retired_at IS NULL;

CREATE TABLE security_events (
    id UUID PRIMARY KEY,
    time TIMESTAMPTZ NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    kind TEXT NOT NULL,
    actor_id UUID,
    subject_id UUID,
    session_id UUID,
    ip_address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX security_events_time ON security_events (time, id);

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
