-- Security events stay as they were written, until the clean-up has moved the mark before which they may go.

CREATE TRIGGER security_events_not_changed BEFORE UPDATE ON security_events
BEGIN
    SELECT RAISE(ABORT, 'security events stay as they are');
END;
CREATE TRIGGER security_events_not_removed BEFORE DELETE ON security_events
WHEN NOT EXISTS (SELECT 1 FROM security_event_marks AS mark WHERE mark.name = 'kept_since' AND OLD.time < mark.time)
BEGIN
    SELECT RAISE(ABORT, 'security events stay as they are');
END;
