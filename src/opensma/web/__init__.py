"""The portal: server-rendered pages that work without script, and their JSON and CSV.

Lives here: routes, templates, style. May enter: what `book` queries return for a principal.
Must never know: SQL, tax law, or how to decide who may see what (the book does).
"""
