-- Whether another staff user is left is asked under a lock that every change of a staff user needs.
CREATE INDEX users_staff ON users (id) WHERE is_staff;
