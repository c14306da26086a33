-- C1-C5, C7 per event, in whole billionths: floor first, then one more to the largest remainders,
-- ties in order of the touches. `raw` is each touch's share before it is scaled; Markov takes the
-- removal share of the touch's channel (C8), normalised inside the journey.
-- 5354228880 is divided by every number up to 24. Division is written so that it is exact on every engine: the remainder is taken off before.
SELECT event_id, touch_id, model, weight
FROM (
SELECT event_id, touch_id, model,
       base + CASE WHEN ROW_NUMBER() OVER (PARTITION BY event_id, model ORDER BY rest DESC, position)
                        <= 1000000000 - SUM(base) OVER (PARTITION BY event_id, model) THEN 1 ELSE 0 END AS weight
FROM (
  SELECT event_id, touch_id, model, position, (raw * 1000000000) % total AS rest,
         CAST(ROUND((raw * 1000000000 - (raw * 1000000000) % total) / total) AS BIGINT) AS base
  FROM (
    SELECT r.event_id, r.touch_id, r.model, r.position, r.raw,
           CAST(SUM(r.raw) OVER (PARTITION BY r.event_id, r.model) AS BIGINT) AS total
    FROM (
      SELECT j.event_id, j.touch_id, m.model, j.position,
             CAST(CASE m.model
               WHEN 'first' THEN CASE WHEN j.position = 1 THEN 1 ELSE 0 END
               WHEN 'last' THEN CASE WHEN j.position = j.touches THEN 1 ELSE 0 END
               WHEN 'linear' THEN 1
               WHEN 'position' THEN CASE WHEN j.touches <= 2 THEN 1
                                         WHEN j.position = 1 OR j.position = j.touches THEN 2 * (j.touches - 2) ELSE 1 END
               WHEN 'time-decay' THEN d.weight
               WHEN 'shapley' THEN CAST(FLOOR(5354228880 / j.same) AS BIGINT)
               ELSE CAST(FLOOR(c.strength / j.same) AS BIGINT)
             END AS BIGINT) AS raw
      FROM (
        SELECT event_id, touch_id, position, touches, channel, days_before,
               COUNT(*) OVER (PARTITION BY event_id, channel) AS same
        FROM journey
      ) j
      CROSS JOIN credit_model m
      JOIN decay d ON d.days = j.days_before
      JOIN channel_strength c ON c.channel = j.channel
    ) r
  ) t
  WHERE total > 0
) b
) w
WHERE weight > 0
