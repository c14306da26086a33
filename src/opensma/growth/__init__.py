"""Growth: how the programme is won, kept and paid for, in figures that tie to the fee ledger.

Lives here: channels, identity, credit, revenue to the cent, unit economics, customer value,
experiments, scores and dated checks of advertisements.
May enter: files of a CRM, and accounts, values and fees that the book lends.
Must never: change the book, keep an address of a person, or call a modelled figure revenue.
"""
