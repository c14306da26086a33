"""The system of record: schema, journal, account state, master data. The only database writer.

Lives here: the append-only hash-chained journal, its fold into account state, snapshots, master
data, plans, orders, fills, the run log, and every query that other rooms ask.
May enter: facts with an id given by their source. Must never know: how a decision was made,
what a page looks like, or today's date.
"""
