"""Plans into fills: review, compliance, blocks, the paper broker, allocation, posting.

Lives here: everything between an accepted plan and journal entries, crash-safe at every step.
May enter: plans from the book, closing prices. Must never know: how a plan was found.
"""
