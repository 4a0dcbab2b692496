-- Every aggregate has a text id, an integer `serial` unique per kind, and `external_id` where another system names it.
-- Times are microseconds since 1970 (`_us`), lengths of sound are seconds (`_s`), documents are JSON that SQL does not look into.
-- Every row belongs to a workspace.

CREATE TABLE workspaces (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  external_id   TEXT UNIQUE,
  name          TEXT NOT NULL,
  created_at_us BIGINT NOT NULL
);

CREATE TABLE recordings (
  serial                INTEGER PRIMARY KEY AUTOINCREMENT,
  id                    TEXT NOT NULL UNIQUE,
  workspace_id          TEXT NOT NULL REFERENCES workspaces (id),
  external_id           TEXT,
  visibility            TEXT NOT NULL,
  title                 TEXT,
  source                TEXT NOT NULL,
  source_kind           TEXT NOT NULL,
  metadata              TEXT NOT NULL,
  media_key             TEXT,
  media_type            TEXT,
  size_bytes            BIGINT,
  sha256                TEXT,
  duration_s            DOUBLE PRECISION,
  current_transcript_id TEXT,
  created_at_us         BIGINT NOT NULL,
  updated_at_us         BIGINT NOT NULL
);
CREATE INDEX recordings_by_workspace ON recordings (workspace_id, serial);
CREATE INDEX recordings_by_sha256 ON recordings (workspace_id, sha256);
CREATE UNIQUE INDEX recordings_by_external_id ON recordings (workspace_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE jobs (
  serial           INTEGER PRIMARY KEY AUTOINCREMENT,
  id               TEXT NOT NULL UNIQUE,
  workspace_id     TEXT NOT NULL REFERENCES workspaces (id),
  recording_id     TEXT NOT NULL REFERENCES recordings (id),
  external_id      TEXT,
  kind             TEXT NOT NULL,
  state            TEXT NOT NULL,
  stage            TEXT NOT NULL,
  priority         BIGINT NOT NULL,
  turn             BIGINT NOT NULL,
  options          TEXT NOT NULL,
  options_hash     TEXT NOT NULL,
  again            BOOLEAN NOT NULL,
  callback         TEXT,
  attempts         BIGINT NOT NULL,
  workers_lost     BIGINT NOT NULL DEFAULT 0,
  run_at_us        BIGINT NOT NULL,
  lease_owner      TEXT,
  lease_until_us   BIGINT,
  fence            BIGINT NOT NULL,
  done_s           DOUBLE PRECISION NOT NULL,
  duration_s       DOUBLE PRECISION,
  transcript_id    TEXT,
  error_code       TEXT,
  error_detail     TEXT,
  created_at_us    BIGINT NOT NULL,
  started_at_us    BIGINT,
  finished_at_us   BIGINT,
  updated_at_us    BIGINT NOT NULL
);
CREATE INDEX jobs_by_workspace ON jobs (workspace_id, serial);
CREATE INDEX jobs_by_recording ON jobs (recording_id, serial);
CREATE INDEX jobs_waiting ON jobs (priority DESC, turn, serial) WHERE state = 'queued';
CREATE INDEX jobs_waiting_by_workspace ON jobs (workspace_id, priority, turn) WHERE state = 'queued';
CREATE INDEX jobs_resting_by_content ON jobs (workspace_id, options_hash) WHERE state = 'queued' AND run_at_us > 0;
CREATE INDEX jobs_running ON jobs (lease_until_us) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at_us) WHERE finished_at_us IS NOT NULL;

CREATE TABLE job_stages (
  job_id         TEXT NOT NULL REFERENCES jobs (id),
  stage          TEXT NOT NULL,
  attempts       BIGINT NOT NULL,
  started_at_us  BIGINT NOT NULL,
  finished_at_us BIGINT NOT NULL,
  PRIMARY KEY (job_id, stage)
);

CREATE TABLE transcripts (
  serial               INTEGER PRIMARY KEY AUTOINCREMENT,
  id                   TEXT NOT NULL UNIQUE,
  workspace_id         TEXT NOT NULL REFERENCES workspaces (id),
  recording_id         TEXT NOT NULL REFERENCES recordings (id),
  job_id               TEXT NOT NULL,
  external_id          TEXT,
  model                TEXT NOT NULL,
  options              TEXT NOT NULL,
  options_hash         TEXT NOT NULL,
  sha256               TEXT NOT NULL,
  language             TEXT,
  language_probability DOUBLE PRECISION,
  duration_s           DOUBLE PRECISION,
  windows              BIGINT NOT NULL,
  checkpoint           TEXT,
  created_at_us        BIGINT NOT NULL,
  completed_at_us      BIGINT
);
CREATE INDEX transcripts_by_workspace ON transcripts (workspace_id, serial);
CREATE INDEX transcripts_by_recording ON transcripts (recording_id, serial);
CREATE INDEX transcripts_by_content ON transcripts (workspace_id, sha256, options_hash, completed_at_us);

CREATE TABLE transcript_windows (
  transcript_id TEXT NOT NULL REFERENCES transcripts (id),
  ordinal       BIGINT NOT NULL,
  document      TEXT NOT NULL,
  PRIMARY KEY (transcript_id, ordinal)
);

-- The event log. One writer commits one transaction after the other, so `seq` alone is the order of commits.
CREATE TABLE events (
  epoch         BIGINT NOT NULL DEFAULT 0,
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  workspace_id  TEXT NOT NULL,
  kind          TEXT NOT NULL,
  subject_id    TEXT NOT NULL,
  data          TEXT NOT NULL,
  created_at_us BIGINT NOT NULL
);
CREATE INDEX events_by_workspace ON events (workspace_id, seq);
CREATE INDEX events_by_age ON events (created_at_us);

CREATE TABLE idempotency_keys (
  workspace_id  TEXT NOT NULL,
  key           TEXT NOT NULL,
  request_hash  TEXT NOT NULL,
  subject_id    TEXT NOT NULL,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_keys_by_subject ON idempotency_keys (subject_id);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_us);

CREATE TABLE endpoints (
  serial           INTEGER PRIMARY KEY AUTOINCREMENT,
  id               TEXT NOT NULL UNIQUE,
  workspace_id     TEXT NOT NULL REFERENCES workspaces (id),
  url              TEXT NOT NULL,
  description      TEXT,
  kinds            TEXT NOT NULL,
  secret           TEXT NOT NULL,
  previous_secret  TEXT,
  previous_until_us BIGINT,
  disabled_at_us   BIGINT,
  disabled_reason  TEXT,
  created_at_us    BIGINT NOT NULL,
  updated_at_us    BIGINT NOT NULL
);
CREATE INDEX endpoints_by_workspace ON endpoints (workspace_id, serial);

-- The outbox: one event on its way to one receiver, an endpoint or a job's callback. `receiver` is whom a slow answer holds up:
-- the endpoint, or the origin of the callback. While a worker has the delivery, `next_attempt_us` is the end of its lease.
CREATE TABLE deliveries (
  serial          INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT NOT NULL UNIQUE,
  workspace_id    TEXT NOT NULL REFERENCES workspaces (id),
  event_id        TEXT NOT NULL,
  kind            TEXT NOT NULL,
  subject_id      TEXT NOT NULL,
  data            TEXT NOT NULL,
  endpoint_id     TEXT REFERENCES endpoints (id),
  callback        TEXT,
  receiver        TEXT NOT NULL,
  state           TEXT NOT NULL,
  attempts        BIGINT NOT NULL,
  next_attempt_us BIGINT NOT NULL,
  lease_owner     TEXT,
  fence           BIGINT NOT NULL,
  created_at_us   BIGINT NOT NULL,
  finished_at_us  BIGINT
);
CREATE INDEX deliveries_by_workspace ON deliveries (workspace_id, serial);
CREATE INDEX deliveries_by_subject ON deliveries (subject_id, serial);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, serial);
CREATE INDEX deliveries_by_receiver ON deliveries (receiver, next_attempt_us) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (next_attempt_us) WHERE state = 'pending';
CREATE INDEX deliveries_finished ON deliveries (finished_at_us) WHERE finished_at_us IS NOT NULL;

CREATE TABLE delivery_attempts (
  delivery_id   TEXT NOT NULL REFERENCES deliveries (id),
  number        BIGINT NOT NULL,
  started_at_us BIGINT NOT NULL,
  duration_us   BIGINT NOT NULL,
  status        BIGINT,
  error         TEXT,
  PRIMARY KEY (delivery_id, number)
);

CREATE TABLE uploads (
  serial        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT NOT NULL UNIQUE,
  workspace_id  TEXT NOT NULL REFERENCES workspaces (id),
  length_bytes  BIGINT,
  offset_bytes  BIGINT NOT NULL,
  metadata      TEXT NOT NULL,
  expires_at_us BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL
);
CREATE INDEX uploads_by_expiry ON uploads (expires_at_us);

-- Every object in the media store has a row before it has a byte, so that none can be forgotten.
CREATE TABLE media_objects (
  key           TEXT PRIMARY KEY NOT NULL,
  workspace_id  TEXT NOT NULL,
  recording_id  TEXT,
  state         TEXT NOT NULL,
  due_us        BIGINT NOT NULL
);
CREATE INDEX media_objects_due ON media_objects (due_us) WHERE state <> 'kept';
CREATE INDEX media_objects_by_recording ON media_objects (recording_id);

-- How fast engines were: sums over the last jobs, halved now and then so that they follow a change of machine.
CREATE TABLE engine_speeds (
  model  TEXT PRIMARY KEY NOT NULL,
  audio_s DOUBLE PRECISION NOT NULL,
  wall_s DOUBLE PRECISION NOT NULL,
  jobs BIGINT NOT NULL
);
