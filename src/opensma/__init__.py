"""opensma: separately managed accounts, decided, booked, explained and measured.

Start reading in `opensma.day`: one trading day, every stage in order. Importing this package
loads nothing heavy; each room imports what it needs when it is used.
"""

__version__ = "0.1.0"
