-- Whose the mail and the kept answer are: what holds an address goes with the account of that address. These lock `users`
-- too, so they stand alone.
ALTER TABLE mail_outbox ADD COLUMN user_id UUID REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE idempotency_keys ADD COLUMN user_id UUID REFERENCES users (id) ON DELETE CASCADE;
