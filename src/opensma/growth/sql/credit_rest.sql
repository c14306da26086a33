-- Events without a touch: a later inflow takes the credit of its account's funding (J4); anything
-- else is `platform:NAME` where placement, approval or sponsoring is on record, and
-- `(unattributed)` otherwise (J5).
SELECT e.event_id, c.touch_id, c.model, c.weight
FROM event e
JOIN event f ON f.account_id = e.account_id AND f.kind = 'funding'
JOIN credit_touched c ON c.event_id = f.event_id
WHERE e.kind = 'inflow' AND e.event_id NOT IN (SELECT event_id FROM journey)
UNION ALL
SELECT e.event_id, COALESCE(g.name, '(unattributed)') AS touch_id, m.model, CAST(1000000000 AS BIGINT) AS weight
FROM event e
CROSS JOIN credit_model m
JOIN event f ON f.account_id = e.account_id AND f.kind = 'funding'
LEFT JOIN (
  SELECT x.event_id, 'platform:' || MIN(x.platform_id) AS name
  FROM (
    SELECT e.event_id, l.platform_id
    FROM event e
    JOIN account_link l ON l.account_id = e.account_id AND l.platform_id IS NOT NULL
    UNION ALL
    SELECT e.event_id, g.platform_id
    FROM event e
    JOIN gate g ON g.firm_id = e.firm_id AND g.status = 'approved' AND g.ts <= e.ts
  ) x
  GROUP BY x.event_id
) g ON g.event_id = f.event_id
WHERE e.event_id NOT IN (SELECT event_id FROM journey) AND f.event_id NOT IN (SELECT event_id FROM journey)
