"""What happened: daily values, flows, time-weighted returns, realised gains, tracking error.

Lives here: measurement from journal and prices, vectorised over days. May enter: account state,
journal entries, the market up to the day measured. Must never know: plans or wishes.
"""
