-- Who began an upload: only admins go on with it besides. The id of a user or of a service token, as with recordings; NULL where
-- nobody in particular did, and for what was under way when this came.

ALTER TABLE uploads ADD COLUMN created_by TEXT;
