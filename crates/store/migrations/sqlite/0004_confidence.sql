-- How sure the model was of a transcript, kept with it: the mean is the sum over its segments' mean log-probabilities, divided by
-- how many segments there are. What was written before is added up here.

ALTER TABLE transcripts ADD COLUMN segments BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transcripts ADD COLUMN log_probability_sum DOUBLE PRECISION NOT NULL DEFAULT 0.0;

UPDATE transcripts SET (segments, log_probability_sum) = (
  SELECT COUNT(*), COALESCE(SUM(json_extract(segment.value, '$.average_log_probability')), 0.0)
  FROM transcript_windows, json_each(transcript_windows.document, '$.segments') AS segment
  WHERE transcript_windows.transcript_id = transcripts.id
);
