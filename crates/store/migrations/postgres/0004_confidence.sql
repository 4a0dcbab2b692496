-- How sure the model was of a transcript, kept with it: the mean is the sum over its segments' mean log-probabilities, divided by
-- how many segments there are. What was written before is added up here, as text: PostgreSQL's JSON refuses a document in which
-- some string has the escape of a zero byte, which a model may have said. Quotes in strings are escaped, so nothing that was
-- said looks like a name.

ALTER TABLE transcripts ADD COLUMN segments BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transcripts ADD COLUMN log_probability_sum DOUBLE PRECISION NOT NULL DEFAULT 0.0;

UPDATE transcripts SET segments = added.segments, log_probability_sum = added.log_probability_sum
FROM (
  SELECT transcript_id, COUNT(*) AS segments,
    COALESCE(SUM(CAST(NULLIF(found[1], 'null') AS DOUBLE PRECISION)), 0.0) AS log_probability_sum
  FROM transcript_windows, regexp_matches(document, '"average_log_probability":([^,}]+)', 'g') AS found
  GROUP BY transcript_id
) AS added
WHERE transcripts.id = added.transcript_id;
