"""The growth warehouse: its tables, how files get into it, and what is derived from them."""
