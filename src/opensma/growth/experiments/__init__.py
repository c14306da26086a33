"""Experiments: who gets what, whether the split is sound, and what the difference was (X1-X9).

The unit is a firm, an office or a territory, never a visit. What an experiment finds stands beside
attributed figures and is never merged into them.
"""
