"""Money in motion: questions over time, each answered by asking the decision again.

Prices stand still in all of them: nothing here forecasts. One account at a time; other accounts of
the taxpayer are left as they are. Pure: arrays in, frozen figures out.
"""
