-- J1: events are the first funding of an account and later monthly inflows above a threshold.
-- What came from another account of the owner is no inflow (E1).
-- The buying group is the office (or the person) of the account's largest share on that day.
SELECT f.event_id, f.account_id, f.group_id, f.firm_id, f.kind, f.ts,
       LAG(f.ts) OVER (PARTITION BY f.account_id ORDER BY f.ts, f.event_id) AS previous_ts, f.month, f.amount_c
FROM (
  SELECT e.account_id || ':' || e.kind || ':' || CAST(e.month AS VARCHAR) AS event_id, e.account_id,
         COALESCE(p.office_id, p.person_id, e.account_id) AS group_id, COALESCE(p.firm_id, l.firm_id, a.firm_id) AS firm_id,
         e.kind, e.ts, e.month, e.amount_c,
         ROW_NUMBER() OVER (PARTITION BY e.account_id, e.kind, e.month
                            ORDER BY COALESCE(l.split_bps, 0) DESC, COALESCE(l.person_id, ''), p.valid_from DESC) AS choice
  FROM (
    SELECT m.account_id, 'funding' AS kind, CAST(a.opened AS TIMESTAMP) + INTERVAL 86399 SECOND AS ts, m.month, m.flow_c AS amount_c, a.opened AS day
    FROM (SELECT account_id, month, flow_c, ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY month) AS n
          FROM account_month WHERE flow_c > 0) m
    JOIN account a ON a.account_id = m.account_id
    WHERE m.n = 1
    UNION ALL
    SELECT m.account_id, 'inflow' AS kind, CAST(m.month_end AS TIMESTAMP) + INTERVAL 86399 SECOND AS ts, m.month, m.outside_c AS amount_c, m.month_end AS day
    FROM (SELECT account_id, month, flow_c - COALESCE(internal_c, 0) AS outside_c, CAST(month + INTERVAL 1 MONTH - INTERVAL 1 DAY AS DATE) AS month_end,
                 ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY month) AS n
          FROM account_month WHERE flow_c > 0 OR flow_c - COALESCE(internal_c, 0) > 0) m
    WHERE m.n > 1 AND m.outside_c >= (SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'inflow_threshold_c')
  ) e
  JOIN account a ON a.account_id = e.account_id
  LEFT JOIN account_link l ON l.account_id = e.account_id AND l.valid_from <= e.day
       AND COALESCE(l.valid_to, CAST('9999-12-31' AS DATE)) >= e.day
  LEFT JOIN person_of i ON i.record_id = l.person_id
  LEFT JOIN person p ON p.person_id = COALESCE(i.person_id, l.person_id) AND p.valid_from <= e.day
) f
WHERE f.choice = 1
