"""The file contract of `sma construct`: a folder of Parquet files in, two Parquet files out.

`layout` names the columns, `reader` opens and types them, `build` checks them and makes the arrays
of the decision, `writer` writes results (and example inputs). Nothing is written before everything
is read, checked and solved.
"""
