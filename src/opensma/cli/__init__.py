"""`sma`: one file per noun, thin shells over the rooms. Errors become text or JSON here."""
