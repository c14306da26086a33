-- E2: each month's net flow at the yearly rate of the account's own fee lines, net of the platform's
-- share; the line that covers the month, else the newest before, else the first after.
SELECT account_id, month, flow_c, net_c, days, assets_c
FROM (
  SELECT m.account_id, m.month, m.flow_c, l.net_c, l.days, l.assets_c,
         ROW_NUMBER() OVER (PARTITION BY m.account_id, m.month
                            ORDER BY CASE WHEN l.period_end >= m.month AND l.period_start <= m.month THEN 0
                                          WHEN l.period_start <= m.month THEN 1 ELSE 2 END,
                                     CASE WHEN l.period_start <= m.month THEN DATE_DIFF('day', l.period_start, m.month)
                                          ELSE DATE_DIFF('day', m.month, l.period_start) END, l.line_id) AS choice
  FROM account_month m
  JOIN (
    SELECT f.line_id, f.account_id, f.period_start, f.period_end, f.amount_c - f.platform_share_c AS net_c,
           1 + DATE_DIFF('day', f.period_start, f.period_end) AS days, CAST(AVG(a.beg_c + a.end_c) / 2 AS BIGINT) AS assets_c
    FROM fee_ledger f
    JOIN account_month a ON a.account_id = f.account_id AND a.month <= f.period_end
         AND a.month >= CAST(DATE_TRUNC('month', f.period_start) AS DATE)
    WHERE f.reversal_of IS NULL AND f.kind = 'fee'
    GROUP BY f.line_id, f.account_id, f.period_start, f.period_end, f.amount_c - f.platform_share_c
  ) l ON l.account_id = m.account_id AND l.assets_c > 0
  WHERE m.flow_c <> 0
) x
WHERE choice = 1
