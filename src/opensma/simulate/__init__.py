"""What would have happened: the demo's owners and accounts, funded and kept over past dates.

Lives here: seeded generation of people, accounts and their history through the real book.
May enter: a seed, a market. Must never know: a shortcut into the book that a user has not got.
"""
