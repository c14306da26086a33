"""What happened: values, flows, returns before and after tax, attribution, risk, composites.

Lives here: measurement from journal and prices, vectorised over days. May enter: account state,
journal entries, the market up to the day measured. Must never know: plans or how
a decision was made; it reads wishes only to tell what they cost.
"""
