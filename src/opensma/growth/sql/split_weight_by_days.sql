-- S2, the other setting: shares weighted by the days of the fee's period on which they held.
SELECT f.line_id, l.person_id,
       CAST(SUM(l.split_bps * (1 + DATE_DIFF('day', GREATEST(l.valid_from, f.period_start),
                LEAST(COALESCE(l.valid_to, f.period_end), f.period_end, COALESCE(a.closed, f.period_end))))) AS BIGINT) AS weight
FROM fee_ledger f
JOIN account a ON a.account_id = f.account_id
JOIN account_link l ON l.account_id = f.account_id
     AND l.valid_from <= LEAST(f.period_end, COALESCE(a.closed, f.period_end))
     AND COALESCE(l.valid_to, CAST('9999-12-31' AS DATE)) >= f.period_start
WHERE f.reversal_of IS NULL
GROUP BY f.line_id, l.person_id
