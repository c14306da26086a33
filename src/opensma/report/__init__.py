"""Charts and sentences for people: Vega-Lite specifications, SVG, plain-language explanations.

Lives here: how a fact is drawn or worded, the same for page, terminal and paper.
May enter: figures that another room computed. Must never compute money or decide anything.
"""
