-- R3, R4: every line over the persons of its account, cents by largest remainder, ties by id; the
-- sign is restored last. A line of an account without persons stays whole.
SELECT line_id, person_id,
       sign_a * (base_a + CASE WHEN ROW_NUMBER() OVER (PARTITION BY line_id ORDER BY rest_a DESC, person_id)
                               <= size_a - SUM(base_a) OVER (PARTITION BY line_id) THEN 1 ELSE 0 END) AS amount_c,
       sign_p * (base_p + CASE WHEN ROW_NUMBER() OVER (PARTITION BY line_id ORDER BY rest_p DESC, person_id)
                               <= size_p - SUM(base_p) OVER (PARTITION BY line_id) THEN 1 ELSE 0 END) AS platform_share_c
FROM (
  SELECT line_id, person_id, sign_a, sign_p, size_a, size_p,
         (size_a * weight) % total AS rest_a, (size_p * weight) % total AS rest_p,
         CAST(ROUND((size_a * weight - (size_a * weight) % total) / total) AS BIGINT) AS base_a,
         CAST(ROUND((size_p * weight - (size_p * weight) % total) / total) AS BIGINT) AS base_p
  FROM (
    SELECT f.line_id, COALESCE(s.person_id, '(unattributed)') AS person_id, COALESCE(s.weight, 1) AS weight,
           CAST(SUM(COALESCE(s.weight, 1)) OVER (PARTITION BY f.line_id) AS BIGINT) AS total,
           CASE WHEN f.amount_c < 0 THEN -1 ELSE 1 END AS sign_a, ABS(f.amount_c) AS size_a,
           CASE WHEN f.platform_share_c < 0 THEN -1 ELSE 1 END AS sign_p, ABS(f.platform_share_c) AS size_p
    FROM fee_ledger f
    LEFT JOIN split_weight s ON s.line_id = f.line_id
    WHERE f.reversal_of IS NULL
  ) w
) b
