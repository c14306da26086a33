"""The decision for people with a table: `opensma.rebalance`, any risk model, an answer to read.

Lives here: reading tables and risk models of other libraries and vendors, and the answer in words.
May enter: pandas, polars, Arrow or numpy tables, risk-model files, arguments of a notebook.
Must never know: the book, the trading day. Nothing here decides; `opensma.construct` does.
"""
