-- The trail as staff reads it, and the alarm. That events are only ever added is said by triggers, which the two
-- databases spell differently: see the folders `postgres` and `sqlite`.

-- A page of each list is a range of one index, so that the last page costs what the first one costs.
CREATE INDEX security_events_kind ON security_events (kind, time, id);
CREATE INDEX security_events_actor ON security_events (actor_id, time, id) WHERE actor_id IS NOT NULL;
CREATE INDEX security_events_subject ON security_events (subject_id, time, id) WHERE subject_id IS NOT NULL;
CREATE INDEX security_events_notable ON security_events (time, id) WHERE severity <> 'info';
CREATE INDEX security_events_critical ON security_events (time, id) WHERE severity = 'critical';

-- Moments that the trail goes by. kept_since: only events before it may be removed. alarm: when the last alarm was queued.
CREATE TABLE security_event_marks (
    name TEXT PRIMARY KEY,
    time TIMESTAMPTZ NOT NULL
);
INSERT INTO security_event_marks (name, time)
VALUES ('kept_since', '1970-01-01T00:00:00+00:00'), ('alarm', '1970-01-01T00:00:00+00:00');

-- The critical events, each written with its event, and the mail that tells of it; null while none does.
CREATE TABLE security_alarms (
    event_id UUID PRIMARY KEY REFERENCES security_events (id) ON DELETE CASCADE,
    mail_id UUID
);
CREATE INDEX security_alarms_waiting ON security_alarms (event_id) WHERE mail_id IS NULL;
CREATE INDEX security_alarms_mail ON security_alarms (mail_id) WHERE mail_id IS NOT NULL;
