-- Mail of before belongs to accounts too. Writers of mail wait for this one, and nobody else.
UPDATE mail_outbox SET user_id = coalesce(
    (SELECT user_id FROM mail_tokens WHERE mail_tokens.id = mail_outbox.token_id),
    (SELECT id FROM users WHERE username_key = lower(mail_outbox.recipient)));
CREATE INDEX mail_outbox_user ON mail_outbox (user_id);
CREATE INDEX idempotency_keys_user ON idempotency_keys (user_id);
