-- S2: the shares of persons as of the end of the fee's period (or the account's last day).
SELECT f.line_id, l.person_id, CAST(SUM(l.split_bps) AS BIGINT) AS weight
FROM fee_ledger f
JOIN account a ON a.account_id = f.account_id
JOIN account_link l ON l.account_id = f.account_id
     AND l.valid_from <= LEAST(f.period_end, COALESCE(a.closed, f.period_end))
     AND COALESCE(l.valid_to, CAST('9999-12-31' AS DATE)) >= LEAST(f.period_end, COALESCE(a.closed, f.period_end))
WHERE f.reversal_of IS NULL
GROUP BY f.line_id, l.person_id
