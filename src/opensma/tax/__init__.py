"""The law, as pure functions: lots, relief, holding period, wash sales, corporate actions, rates.

Lives here: what federal tax law makes of lots and events. Rule numbers (`W4`, `H2`) refer to
`docs/tax.md`. May enter: columns of lots and plain events, integers only.
Must never know: the database, the clock, prices of today, or why somebody wants to trade.
"""
