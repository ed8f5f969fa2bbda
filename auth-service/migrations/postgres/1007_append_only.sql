-- Security events stay as they were written, until the clean-up has moved the mark before which they may go.

CREATE FUNCTION security_events_stay() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM security_event_marks AS mark WHERE mark.name = 'kept_since' AND OLD.time < mark.time) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'security events stay as they are' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER security_events_stay BEFORE UPDATE OR DELETE ON security_events
FOR EACH ROW EXECUTE FUNCTION security_events_stay();
CREATE TRIGGER security_events_stay_all BEFORE TRUNCATE ON security_events
FOR EACH STATEMENT EXECUTE FUNCTION security_events_stay();
