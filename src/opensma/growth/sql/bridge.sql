-- E1: the bridge of assets by month, from account-months to the cent. What moved between accounts of
-- one owner is no flow of the firm and nets to zero; a book that was bought is a line of its own.
SELECT month, CAST(SUM(beg_c) AS BIGINT) AS begin_c,
       CAST(SUM(CASE WHEN beg_c = 0 AND outside_c > 0 AND bought = 0 THEN outside_c ELSE 0 END) AS BIGINT) AS new_c,
       CAST(SUM(CASE WHEN beg_c <> 0 AND outside_c > 0 AND bought = 0 THEN outside_c ELSE 0 END) AS BIGINT) AS expansion_c,
       CAST(SUM(CASE WHEN outside_c < 0 AND end_c <> 0 THEN outside_c ELSE 0 END) AS BIGINT) AS contraction_c,
       CAST(SUM(CASE WHEN outside_c < 0 AND end_c = 0 THEN outside_c ELSE 0 END) AS BIGINT) AS lost_c,
       CAST(SUM(CASE WHEN outside_c > 0 AND bought = 1 THEN outside_c ELSE 0 END) AS BIGINT) AS acquired_c,
       CAST(SUM(mkt_c) AS BIGINT) AS market_c, CAST(SUM(end_c) AS BIGINT) AS end_c,
       COUNT(*) AS accounts
FROM (
  SELECT m.month, m.beg_c, m.mkt_c, m.end_c, m.flow_c - COALESCE(m.internal_c, 0) AS outside_c,
         CASE WHEN q.account_id IS NULL THEN 0 ELSE 1 END AS bought
  FROM account_month m
  LEFT JOIN acquisition q ON q.account_id = m.account_id AND CAST(DATE_TRUNC('month', q.acquired_on) AS DATE) = m.month
) x
GROUP BY month
ORDER BY month
