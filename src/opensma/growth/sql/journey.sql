-- J2-J4: touches of the group's persons and of its firm within the look-back, none after the event;
-- a later inflow takes only touches since the event before it. Persons whose basis has gone are
-- left out (P2). Order: time, then id (J3). Accounts that were bought with their book were won by no
-- touch (E1).
SELECT j.event_id, j.touch_id,
       ROW_NUMBER() OVER (PARTITION BY j.event_id ORDER BY j.ts, j.touch_id) AS position,
       COUNT(*) OVER (PARTITION BY j.event_id) AS touches,
       j.channel, j.campaign_id, j.person_id,
       DATE_DIFF('day', CAST(j.ts AS DATE), CAST(j.event_ts AS DATE)) AS days_before
FROM (
  SELECT e.event_id, e.ts AS event_ts, t.touch_id, t.ts, t.channel, t.campaign_id, t.person_id
  FROM event e
  JOIN touch_group t ON t.group_id = e.group_id
  JOIN account a ON a.account_id = e.account_id
  LEFT JOIN acquisition q ON q.account_id = e.account_id AND e.kind = 'funding'
  CROSS JOIN (SELECT CAST(value AS INTEGER) AS days FROM setting WHERE name = 'lookback_days') d
  LEFT JOIN setting s ON s.name = 'lookback_days:' || a.strategy_id
  WHERE q.account_id IS NULL AND t.ts <= e.ts AND t.ts > e.ts - COALESCE(CAST(s.value AS INTEGER), d.days) * INTERVAL 1 DAY
    AND (e.kind = 'funding' OR e.previous_ts IS NULL OR t.ts > e.previous_ts)
  UNION
  SELECT e.event_id, e.ts AS event_ts, t.touch_id, t.ts, t.channel, t.campaign_id, t.person_id
  FROM event e
  JOIN touch t ON t.firm_id = e.firm_id AND t.person_id IS NULL
  JOIN account a ON a.account_id = e.account_id
  LEFT JOIN acquisition q ON q.account_id = e.account_id AND e.kind = 'funding'
  CROSS JOIN (SELECT CAST(value AS INTEGER) AS days FROM setting WHERE name = 'lookback_days') d
  LEFT JOIN setting s ON s.name = 'lookback_days:' || a.strategy_id
  WHERE q.account_id IS NULL AND t.ts <= e.ts AND t.ts > e.ts - COALESCE(CAST(s.value AS INTEGER), d.days) * INTERVAL 1 DAY
    AND (e.kind = 'funding' OR e.previous_ts IS NULL OR t.ts > e.previous_ts)
) j
