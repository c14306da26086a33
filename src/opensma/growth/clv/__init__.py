"""Customer lifetime value: models of purchases, of contracts, and of fees (V1-V8).

An account that pays a fee is under contract: its life follows the shifted beta-geometric model and
its value the schedule of fees. The models of purchases suit deposits and inflows. A file of values
is internal.
"""
