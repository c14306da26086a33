"""Worked cases of `sma measure check`: JSON in, the product's own functions, JSON out.

`fields` reads inputs, `choices` reads conventions, one module for each family of operations names
what it calls, `checking` compares. No formula stands here.
"""
