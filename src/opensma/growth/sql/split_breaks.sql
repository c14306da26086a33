-- S1: days on which the shares of an account do not sum to 10,000; a share can only change on the
-- day a link begins, the day after one ends, or the day the account opens. Before the book is
-- published nobody knows when an account closed: the end of its last link is no break then.
SELECT d.account_id, d.day, SUM(CASE WHEN l.valid_from <= d.day AND COALESCE(l.valid_to, CAST('9999-12-31' AS DATE)) >= d.day
                                     THEN l.split_bps ELSE 0 END) AS total
FROM (
  SELECT account_id, valid_from AS day FROM account_link
  UNION
  SELECT account_id, CAST(valid_to + INTERVAL 1 DAY AS DATE) AS day FROM account_link WHERE valid_to IS NOT NULL
  UNION
  SELECT a.account_id, a.opened AS day FROM account a WHERE a.account_id IN (SELECT account_id FROM account_link)
) d
JOIN account_link l ON l.account_id = d.account_id
LEFT JOIN account a ON a.account_id = d.account_id
WHERE d.day >= COALESCE(a.opened, d.day) AND d.day <= COALESCE(a.closed, CAST('9999-12-31' AS DATE))
GROUP BY d.account_id, d.day
HAVING SUM(CASE WHEN l.valid_from <= d.day AND COALESCE(l.valid_to, CAST('9999-12-31' AS DATE)) >= d.day
                THEN l.split_bps ELSE 0 END) <> 10000
   AND NOT (MAX(a.account_id) IS NULL AND MAX(l.valid_from) < d.day AND MAX(COALESCE(l.valid_to, CAST('9999-12-31' AS DATE))) < d.day)
