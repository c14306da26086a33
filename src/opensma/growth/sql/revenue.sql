-- R3, R4, R6: every part of a line over the touches of its event, by the weights of each model;
-- cents by largest remainder, ties by id, sign restored last, nothing dropped.
SELECT model, line_id, person_id, tranche, event_id, touch_id,
       sign_a * (base_a + CASE WHEN ROW_NUMBER() OVER (PARTITION BY model, line_id, person_id, tranche, event_id ORDER BY rest_a DESC, touch_id)
                               <= size_a - SUM(base_a) OVER (PARTITION BY model, line_id, person_id, tranche, event_id) THEN 1 ELSE 0 END) AS amount_c,
       sign_p * (base_p + CASE WHEN ROW_NUMBER() OVER (PARTITION BY model, line_id, person_id, tranche, event_id ORDER BY rest_p DESC, touch_id)
                               <= size_p - SUM(base_p) OVER (PARTITION BY model, line_id, person_id, tranche, event_id) THEN 1 ELSE 0 END) AS platform_share_c
FROM (
  SELECT model, line_id, person_id, tranche, event_id, touch_id, sign_a, sign_p, size_a, size_p,
         (size_a * weight) % 1000000000 AS rest_a, (size_p * weight) % 1000000000 AS rest_p,
         CAST(ROUND((size_a * weight - (size_a * weight) % 1000000000) / 1000000000) AS BIGINT) AS base_a,
         CAST(ROUND((size_p * weight - (size_p * weight) % 1000000000) / 1000000000) AS BIGINT) AS base_p
  FROM (
    SELECT c.model, l.line_id, l.person_id, l.tranche, l.event_id, c.touch_id, c.weight,
           CASE WHEN l.amount_c < 0 THEN -1 ELSE 1 END AS sign_a, ABS(l.amount_c) AS size_a,
           CASE WHEN l.platform_share_c < 0 THEN -1 ELSE 1 END AS sign_p, ABS(l.platform_share_c) AS size_p
    FROM line_part l
    JOIN credit c ON c.event_id = l.event_id
  ) w
) b
