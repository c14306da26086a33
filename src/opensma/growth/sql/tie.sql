-- R2, R7: billed against attributed, by model and month, gross and platform share; both sides
-- count every line, reversals and closed accounts too.
SELECT m.model, b.month, b.expected_gross_c, COALESCE(a.actual_gross_c, 0) AS actual_gross_c,
       b.expected_platform_c, COALESCE(a.actual_platform_c, 0) AS actual_platform_c
FROM (
  SELECT CAST(DATE_TRUNC('month', period_end) AS DATE) AS month, CAST(SUM(amount_c) AS BIGINT) AS expected_gross_c,
         CAST(SUM(platform_share_c) AS BIGINT) AS expected_platform_c
  FROM fee_ledger
  GROUP BY CAST(DATE_TRUNC('month', period_end) AS DATE)
) b
CROSS JOIN credit_model m
LEFT JOIN (
  SELECT r.model, CAST(DATE_TRUNC('month', f.period_end) AS DATE) AS month, CAST(SUM(r.amount_c) AS BIGINT) AS actual_gross_c,
         CAST(SUM(r.platform_share_c) AS BIGINT) AS actual_platform_c
  FROM revenue r
  JOIN fee_ledger f ON f.line_id = r.line_id
  GROUP BY r.model, CAST(DATE_TRUNC('month', f.period_end) AS DATE)
) a ON a.model = m.model AND a.month = b.month
ORDER BY m.model, b.month
