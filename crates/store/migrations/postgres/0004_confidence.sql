-- How sure the model was of a transcript, kept with it: the mean is the sum over its segments' mean log-probabilities, divided by
-- how many segments there are. What was written before is added up here.

ALTER TABLE transcripts ADD COLUMN segments BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transcripts ADD COLUMN log_probability_sum DOUBLE PRECISION NOT NULL DEFAULT 0.0;

UPDATE transcripts SET segments = added.segments, log_probability_sum = added.log_probability_sum
FROM (
  SELECT transcript_id, COUNT(*) AS segments,
    COALESCE(SUM(CAST(segment ->> 'average_log_probability' AS DOUBLE PRECISION)), 0.0) AS log_probability_sum
  FROM transcript_windows, json_array_elements(CAST(document AS JSON) -> 'segments') AS segment
  GROUP BY transcript_id
) AS added
WHERE transcripts.id = added.transcript_id;
