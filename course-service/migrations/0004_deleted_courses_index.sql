-- By itself, because it reads the whole table: the lock of the column would be held meanwhile, against readers too.
CREATE INDEX courses_deleted ON courses (deleted_at) WHERE deleted_at IS NOT NULL;
