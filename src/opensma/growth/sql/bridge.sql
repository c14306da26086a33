-- E1: the bridge of assets by month, from account-months to the cent.
SELECT month, CAST(SUM(beg_c) AS BIGINT) AS begin_c,
       CAST(SUM(CASE WHEN beg_c = 0 AND flow_c > 0 THEN flow_c ELSE 0 END) AS BIGINT) AS new_c,
       CAST(SUM(CASE WHEN beg_c <> 0 AND flow_c > 0 THEN flow_c ELSE 0 END) AS BIGINT) AS expansion_c,
       CAST(SUM(CASE WHEN flow_c < 0 AND end_c <> 0 THEN flow_c ELSE 0 END) AS BIGINT) AS contraction_c,
       CAST(SUM(CASE WHEN flow_c < 0 AND end_c = 0 THEN flow_c ELSE 0 END) AS BIGINT) AS lost_c,
       CAST(SUM(mkt_c) AS BIGINT) AS market_c, CAST(SUM(end_c) AS BIGINT) AS end_c,
       COUNT(*) AS accounts
FROM account_month
GROUP BY month
ORDER BY month
