-- Billed revenue of a funding cohort over the months since funding (what users of other tools ask).
SELECT CAST(DATE_TRUNC('quarter', e.ts) AS DATE) AS cohort,
       12 * (EXTRACT(YEAR FROM f.period_end) - EXTRACT(YEAR FROM e.ts)) + EXTRACT(MONTH FROM f.period_end) - EXTRACT(MONTH FROM e.ts) AS month_no,
       CAST(SUM(f.amount_c) AS BIGINT) AS amount_c, CAST(SUM(f.platform_share_c) AS BIGINT) AS platform_share_c,
       COUNT(DISTINCT f.account_id) AS accounts
FROM fee_ledger f
JOIN event e ON e.account_id = f.account_id AND e.kind = 'funding'
GROUP BY CAST(DATE_TRUNC('quarter', e.ts) AS DATE),
         12 * (EXTRACT(YEAR FROM f.period_end) - EXTRACT(YEAR FROM e.ts)) + EXTRACT(MONTH FROM f.period_end) - EXTRACT(MONTH FROM e.ts)
