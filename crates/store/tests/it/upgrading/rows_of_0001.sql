-- What a database of version 1 held: one recording on its way from the request to the delivery, and what waits.

INSERT INTO workspaces (id, external_id, name, created_at_us)
VALUES ('wsp_01KAJ2Z1G00000000000000001', 'default', 'default', 1763700000000000);

INSERT INTO recordings (id, workspace_id, external_id, visibility, title, source, source_kind, metadata, media_key, media_type,
  size_bytes, sha256, duration_s, current_transcript_id, created_at_us, updated_at_us)
VALUES
  ('rec_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'call-1', 'workspace', 'A call',
   '{"v":1,"kind":"upload","file_name":"call.webm"}', 'upload', '{"room":7}', 'wsp/one', 'audio/webm', 5, 'aa', 60.0,
   'trn_01KAJ2Z1G00000000000000001', 1763700000000000, 1763700060000000),
  ('rec_01KAJ2Z1G00000000000000002', 'wsp_01KAJ2Z1G00000000000000001', NULL, 'private', NULL,
   '{"v":1,"kind":"s3","bucket":"b","key":"a.webm"}', 's3', '{}', NULL, NULL, NULL, NULL, NULL, NULL,
   1763700000000000, 1763700000000000);

INSERT INTO media_objects (key, workspace_id, recording_id, state, due_us)
VALUES ('wsp/one', 'wsp_01KAJ2Z1G00000000000000001', 'rec_01KAJ2Z1G00000000000000001', 'kept', 0);

INSERT INTO jobs (id, workspace_id, recording_id, kind, state, stage, priority, turn, options, options_hash, again, attempts,
  run_at_us, fence, done_s, duration_s, transcript_id, created_at_us, started_at_us, finished_at_us, updated_at_us)
VALUES
  ('job_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'rec_01KAJ2Z1G00000000000000001', 'transcribe',
   'succeeded', 'transcribe', 1, 1,
   '{"v":1,"language":"en","task":"transcribe","model":null,"prompt":null,"words":false,"channels_apart":false,"temperature":null}',
   'h', FALSE, 1, 0, 3, 60.0, 60.0, 'trn_01KAJ2Z1G00000000000000001', 1763700000000000, 1763700001000000, 1763700060000000,
   1763700060000000),
  ('job_01KAJ2Z1G00000000000000002', 'wsp_01KAJ2Z1G00000000000000001', 'rec_01KAJ2Z1G00000000000000002', 'transcribe',
   'queued', 'acquire', 1, 2,
   '{"v":1,"language":null,"task":"transcribe","model":null,"prompt":null,"words":false,"channels_apart":false,"temperature":null}',
   'i', FALSE, 0, 0, 0, 0.0, NULL, NULL, 1763700000000000, NULL, NULL, 1763700000000000);

INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us)
VALUES ('job_01KAJ2Z1G00000000000000001', 'transcribe', 1, 1763700001000000, 1763700060000000);

INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, sha256, language, duration_s,
  windows, created_at_us, completed_at_us)
VALUES
  ('trn_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'rec_01KAJ2Z1G00000000000000001',
   'job_01KAJ2Z1G00000000000000001', 'whisper/base',
   '{"v":1,"language":"en","task":"transcribe","model":null,"prompt":null,"words":false,"channels_apart":false,"temperature":null}',
   'h', 'aa', 'en', 60.0, 1, 1763700001000000, 1763700060000000);

INSERT INTO transcript_windows (transcript_id, ordinal, document)
VALUES
  ('trn_01KAJ2Z1G00000000000000001', 0,
   '{"v":1,"segments":[{"start":0.0,"end":1.0,"text":" Hello.\u0000\\u0000\"average_log_probability\":1,","tokens":[1],"temperature":0.0,"average_log_probability":-0.25,"compression_ratio":1.5,"no_speech_probability":0.125}]}');

INSERT INTO endpoints (id, workspace_id, url, kinds, secret, created_at_us, updated_at_us)
VALUES ('whe_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'https://example.org/hook', '[]', 'whsec_YQ==',
  1763700000000000, 1763700000000000);

INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us)
VALUES (1, 'evt_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'job.succeeded',
  'job_01KAJ2Z1G00000000000000001', '{"job_id":"job_01KAJ2Z1G00000000000000001"}', 1763700060000000);

INSERT INTO deliveries (id, workspace_id, event_id, kind, subject_id, data, endpoint_id, receiver, state, attempts,
  next_attempt_us, fence, created_at_us, finished_at_us)
VALUES ('dlv_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 'evt_01KAJ2Z1G00000000000000001', 'job.succeeded',
  'job_01KAJ2Z1G00000000000000001', '{"job_id":"job_01KAJ2Z1G00000000000000001"}', 'whe_01KAJ2Z1G00000000000000001',
  'whe_01KAJ2Z1G00000000000000001', 'delivered', 1, 0, 1, 1763700060000000, 1763700061000000);

INSERT INTO delivery_attempts (delivery_id, number, started_at_us, duration_us, status)
VALUES ('dlv_01KAJ2Z1G00000000000000001', 1, 1763700060000000, 1000000, 204);

INSERT INTO idempotency_keys (workspace_id, key, request_hash, subject_id, created_at_us)
VALUES ('wsp_01KAJ2Z1G00000000000000001', 'k', 'h', 'job_01KAJ2Z1G00000000000000001', 1763700000000000);

INSERT INTO uploads (id, workspace_id, length_bytes, offset_bytes, metadata, expires_at_us, created_at_us)
VALUES ('upl_01KAJ2Z1G00000000000000001', 'wsp_01KAJ2Z1G00000000000000001', 10, 4, '', 4000000000000000, 1763700000000000);

INSERT INTO engine_speeds (model, audio_s, wall_s, jobs) VALUES ('whisper/base', 60.0, 6.0, 1);
