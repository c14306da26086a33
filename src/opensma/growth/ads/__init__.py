"""Advertisements against dated rules: a working aid that names findings, never legal advice."""
