-- Billed revenue by channel, model and month of the fee's period; touches carry their channel,
-- events without one their own key.
SELECT r.model, CAST(DATE_TRUNC('month', f.period_end) AS DATE) AS month, COALESCE(t.channel, r.touch_id) AS channel,
       COALESCE(t.campaign_id, '') AS campaign_id, COALESCE(a.segment, '') AS segment,
       CAST(SUM(r.amount_c) AS BIGINT) AS amount_c, CAST(SUM(r.platform_share_c) AS BIGINT) AS platform_share_c
FROM revenue r
JOIN fee_ledger f ON f.line_id = r.line_id
JOIN account a ON a.account_id = f.account_id
LEFT JOIN touch t ON t.touch_id = r.touch_id
GROUP BY r.model, CAST(DATE_TRUNC('month', f.period_end) AS DATE), COALESCE(t.channel, r.touch_id), COALESCE(t.campaign_id, ''), COALESCE(a.segment, '')
