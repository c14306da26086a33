-- A touch belongs to the office of its person on that day, or to the person alone; persons united
-- by their keys count as one (I2), persons without a lawful basis today not at all (P2).
SELECT touch_id, ts, channel, campaign_id, person_id, group_id
FROM (
  SELECT t.touch_id, t.ts, t.channel, t.campaign_id, COALESCE(i.person_id, t.person_id) AS person_id,
         COALESCE(p.office_id, p.person_id, t.person_id) AS group_id,
         ROW_NUMBER() OVER (PARTITION BY t.touch_id
                            ORDER BY CASE WHEN p.valid_from <= CAST(t.ts AS DATE) THEN 0 ELSE 1 END, p.valid_from DESC) AS choice
  FROM touch t
  LEFT JOIN person_of i ON i.record_id = t.person_id
  LEFT JOIN person p ON p.person_id = COALESCE(i.person_id, t.person_id)
  WHERE t.person_id IS NOT NULL
) x
WHERE choice = 1 AND person_id NOT IN (SELECT person_id FROM no_basis)
