-- New funded groups (E3): every buying group at its first funding, with the way before it. A group
-- whose first account was bought with its book was not won (E1).
SELECT group_id, event_id, account_id, firm_id, ts, month, first_touch, segment
FROM (
  SELECT e.group_id, e.event_id, e.account_id, e.firm_id, e.ts, e.month, a.segment, j.first_touch,
         q.account_id AS bought,
         ROW_NUMBER() OVER (PARTITION BY e.group_id ORDER BY e.ts, e.event_id) AS choice
  FROM event e
  JOIN account a ON a.account_id = e.account_id
  LEFT JOIN (SELECT event_id, MAX(days_before) AS first_touch FROM journey GROUP BY event_id) j ON j.event_id = e.event_id
  LEFT JOIN acquisition q ON q.account_id = e.account_id
  WHERE e.kind = 'funding'
) x
WHERE choice = 1 AND bought IS NULL
