"""The portal: server-rendered pages that work without script.

Lives here: routes, templates, style. May enter: what `book` queries return for a viewer.
Must never know: SQL, tax law, or how to decide who may see what (the book does).

    portal.py    the pages            listing.py, accounts.py   what an address asks to see
    app.py       routes and server    shield.py, assets.py      headers, style, script
"""

from opensma.web.app import create_app, serve

__all__ = ["create_app", "serve"]
