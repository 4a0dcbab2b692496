-- Who may do what: people and how they log in, tokens, what was done and how often; and how recordings are sorted, in topics
-- and collections. Secrets that callers show (cookies, tokens, the state of a login) are here as the hexadecimal SHA-256 of
-- themselves, passwords as Argon2id.
--
-- `created_by` and `assigned_by` are the id of a user (`usr_`) or of a service token (`tok_`), without a reference: they
-- outlive a token. NULL where nobody in particular did it: a configured key, another system's secret, this machine.

ALTER TABLE workspaces ADD COLUMN kind TEXT NOT NULL DEFAULT 'shared'; -- personal, shared

ALTER TABLE recordings ADD COLUMN created_by TEXT;
CREATE INDEX recordings_by_creator ON recordings (created_by) WHERE created_by IS NOT NULL;

-- `kept`: another system knows the job by its number, and forgetting what is old leaves it.
ALTER TABLE jobs ADD COLUMN created_by TEXT;
ALTER TABLE jobs ADD COLUMN kept BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX jobs_by_creator ON jobs (created_by) WHERE created_by IS NOT NULL;
DROP INDEX jobs_finished;
CREATE INDEX jobs_finished ON jobs (finished_at_us) WHERE finished_at_us IS NOT NULL AND NOT kept;

-- What is left of a workspace is looked for when its user is erased.
CREATE INDEX media_objects_by_workspace ON media_objects (workspace_id);

-- `external_id` is the user's name in MxWhisper: the subject at the provider that made the user. `email_key` is the e-mail in
-- lower case. A role that a person set (`role_is_local`) is no longer changed by a provider's groups. `revocations` counts up
-- when all of MxWhisper's tokens of the user end.
CREATE TABLE users (
  serial         INTEGER PRIMARY KEY AUTOINCREMENT,
  id             TEXT NOT NULL UNIQUE,
  external_id    TEXT UNIQUE,
  email          TEXT,
  email_key      TEXT,
  username       TEXT UNIQUE,
  name           TEXT,
  role           TEXT NOT NULL,
  role_is_local  BOOLEAN NOT NULL,
  workspace_id   TEXT NOT NULL REFERENCES workspaces (id), -- the personal one
  password_hash  TEXT,
  revocations    BIGINT NOT NULL,
  disabled_at_us BIGINT,
  erasing_at_us  BIGINT,
  last_seen_us   BIGINT,
  created_at_us  BIGINT NOT NULL,
  updated_at_us  BIGINT NOT NULL
);
-- Passwords go by e-mail. Without one, several users may have the same address: each is known by a subject.
CREATE UNIQUE INDEX users_by_local_email ON users (email_key) WHERE password_hash IS NOT NULL;
CREATE INDEX users_by_email ON users (email_key);

-- Whom a provider means by a subject.
CREATE TABLE identities (
  issuer        TEXT NOT NULL,
  subject       TEXT NOT NULL,
  user_id       TEXT NOT NULL REFERENCES users (id),
  email         TEXT,
  created_at_us BIGINT NOT NULL,
  last_login_us BIGINT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE memberships (
  workspace_id  TEXT NOT NULL REFERENCES workspaces (id),
  user_id       TEXT NOT NULL REFERENCES users (id),
  role          TEXT NOT NULL,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);

-- `hash` is of the cookie, `method` how the user logged in: the provider's name, or `simple` for a password.
CREATE TABLE sessions (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  hash          TEXT NOT NULL UNIQUE,
  user_id       TEXT NOT NULL REFERENCES users (id),
  method        TEXT NOT NULL,
  user_agent    TEXT,
  address       TEXT,
  created_at_us BIGINT NOT NULL,
  last_seen_us  BIGINT NOT NULL,
  idle_until_us BIGINT NOT NULL,
  expires_at_us BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, serial);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_us);

-- A login that is on its way over a provider. `user_id`: whoever is logged in and adds another way of logging in.
CREATE TABLE login_states (
  hash          TEXT PRIMARY KEY NOT NULL,
  provider      TEXT NOT NULL,
  return_to     TEXT NOT NULL,
  user_id       TEXT,
  expires_at_us BIGINT NOT NULL
);
CREATE INDEX login_states_by_expiry ON login_states (expires_at_us);

-- `kind` is `key` (acts as its user), `service` (acts as itself in a workspace) or `jwt` (MxWhisper's: known by its `jti`,
-- without a hash; without a workspace if it was revoked before it was ever seen). `governs`: with its user's rights over the
-- installation. `scopes` is a JSON list of permissions; empty for all that the role has. The hash before a rotation is good
-- until `previous_until_us`. A revocation may lie ahead.
CREATE TABLE tokens (
  serial            INTEGER PRIMARY KEY AUTOINCREMENT,
  id                TEXT NOT NULL UNIQUE,
  kind              TEXT NOT NULL,
  jti               TEXT UNIQUE,
  workspace_id      TEXT REFERENCES workspaces (id),
  user_id           TEXT REFERENCES users (id),
  name              TEXT NOT NULL,
  role              TEXT NOT NULL,
  governs           BOOLEAN NOT NULL,
  scopes            TEXT NOT NULL,
  hash              TEXT,
  previous_hash     TEXT,
  previous_until_us BIGINT,
  expires_at_us     BIGINT,
  revoked_at_us     BIGINT,
  first_used_us     BIGINT,
  last_used_us      BIGINT,
  created_by        TEXT,
  created_at_us     BIGINT NOT NULL
);
CREATE INDEX tokens_by_workspace ON tokens (workspace_id, serial);
CREATE INDEX tokens_by_user ON tokens (user_id, serial);

-- Who did what, with ids only: never a name, an e-mail, a path or a secret. `outcome` is `done` or `refused`, `code` why.
CREATE TABLE audit_log (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  workspace_id  TEXT,
  kind          TEXT NOT NULL,
  outcome       TEXT NOT NULL,
  actor_kind    TEXT NOT NULL,
  actor_id      TEXT,
  subject_id    TEXT,
  code          TEXT,
  address       TEXT,
  request_id    TEXT,
  data          TEXT NOT NULL,
  created_at_us BIGINT NOT NULL
);
CREATE INDEX audit_by_workspace ON audit_log (workspace_id, serial);
CREATE INDEX audit_by_actor ON audit_log (actor_id, serial);
CREATE INDEX audit_by_subject ON audit_log (subject_id, serial);
CREATE INDEX audit_by_age ON audit_log (created_at_us);

-- How often somebody asks, as one number: when the requests so far would be over at the steady rate (GCRA).
CREATE TABLE rate_limits (
  key        TEXT PRIMARY KEY NOT NULL,
  arrival_us BIGINT NOT NULL
);
CREATE INDEX rate_limits_by_arrival ON rate_limits (arrival_us);

-- The vocabulary of the installation: a tree, the same for all workspaces. `name_key` is the name in lower case.
CREATE TABLE topics (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  name          TEXT NOT NULL,
  name_key      TEXT NOT NULL UNIQUE,
  description   TEXT,
  parent_id     TEXT REFERENCES topics (id),
  created_at_us BIGINT NOT NULL,
  updated_at_us BIGINT NOT NULL
);
CREATE INDEX topics_by_parent ON topics (parent_id);

CREATE TABLE recording_topics (
  recording_id  TEXT NOT NULL REFERENCES recordings (id),
  topic_id      TEXT NOT NULL REFERENCES topics (id),
  confidence    DOUBLE PRECISION,
  reasoning     TEXT,
  assigned_by   TEXT,
  reviewed      BOOLEAN NOT NULL,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (recording_id, topic_id)
);
CREATE INDEX recording_topics_by_topic ON recording_topics (topic_id);
CREATE INDEX recording_topics_by_assigner ON recording_topics (assigned_by) WHERE assigned_by IS NOT NULL;

CREATE TABLE collections (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  workspace_id  TEXT NOT NULL REFERENCES workspaces (id),
  created_by    TEXT,
  name          TEXT NOT NULL,
  description   TEXT,
  kind          TEXT,
  visibility    TEXT NOT NULL,
  created_at_us BIGINT NOT NULL,
  updated_at_us BIGINT NOT NULL
);
CREATE INDEX collections_by_workspace ON collections (workspace_id, serial);
CREATE INDEX collections_by_creator ON collections (created_by) WHERE created_by IS NOT NULL;

CREATE TABLE collection_items (
  collection_id TEXT NOT NULL REFERENCES collections (id),
  recording_id  TEXT NOT NULL REFERENCES recordings (id),
  position      BIGINT,
  assigned_by   TEXT,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (collection_id, recording_id)
);
CREATE INDEX collection_items_by_recording ON collection_items (recording_id);
CREATE INDEX collection_items_by_assigner ON collection_items (assigned_by) WHERE assigned_by IS NOT NULL;

-- The topics that MxWhisper begins with, under the numbers that its clients know.
INSERT INTO topics (serial, id, name, name_key, parent_id, created_at_us, updated_at_us)
VALUES
  (1, 'top_00000000000000000000000001', 'Unknown', 'unknown', NULL, 0, 0),
  (2, 'top_00000000000000000000000002', 'Religious', 'religious', NULL, 0, 0),
  (3, 'top_00000000000000000000000003', 'Educational', 'educational', NULL, 0, 0),
  (4, 'top_00000000000000000000000004', 'Entertainment', 'entertainment', NULL, 0, 0),
  (5, 'top_00000000000000000000000005', 'Professional', 'professional', NULL, 0, 0),
  (6, 'top_00000000000000000000000006', 'Bible Study', 'bible study', 'top_00000000000000000000000002', 0, 0),
  (7, 'top_00000000000000000000000007', 'Sermons', 'sermons', 'top_00000000000000000000000002', 0, 0),
  (8, 'top_00000000000000000000000008', 'Prayer', 'prayer', 'top_00000000000000000000000002', 0, 0),
  (9, 'top_00000000000000000000000009', 'Worship', 'worship', 'top_00000000000000000000000002', 0, 0),
  (10, 'top_00000000000000000000000010', 'Theology', 'theology', 'top_00000000000000000000000002', 0, 0),
  (11, 'top_00000000000000000000000011', 'Courses', 'courses', 'top_00000000000000000000000003', 0, 0),
  (12, 'top_00000000000000000000000012', 'Tutorials', 'tutorials', 'top_00000000000000000000000003', 0, 0),
  (13, 'top_00000000000000000000000013', 'Conferences', 'conferences', 'top_00000000000000000000000003', 0, 0),
  (14, 'top_00000000000000000000000014', 'Lectures', 'lectures', 'top_00000000000000000000000003', 0, 0),
  (15, 'top_00000000000000000000000015', 'Podcasts', 'podcasts', 'top_00000000000000000000000004', 0, 0),
  (16, 'top_00000000000000000000000016', 'Audiobooks', 'audiobooks', 'top_00000000000000000000000004', 0, 0),
  (17, 'top_00000000000000000000000017', 'Interviews', 'interviews', 'top_00000000000000000000000004', 0, 0),
  (18, 'top_00000000000000000000000018', 'Music', 'music', 'top_00000000000000000000000004', 0, 0),
  (19, 'top_00000000000000000000000019', 'Meetings', 'meetings', 'top_00000000000000000000000005', 0, 0),
  (20, 'top_00000000000000000000000020', 'Presentations', 'presentations', 'top_00000000000000000000000005', 0, 0),
  (21, 'top_00000000000000000000000021', 'Webinars', 'webinars', 'top_00000000000000000000000005', 0, 0);
