"""The portal: server-rendered pages that work without script.

Lives here: routes, templates, style. May enter: what `book` queries return for a viewer.
Must never know: SQL, tax law, or how to decide who may see what (the book does).

    screens.py   every address with its policy    gate.py     who asks, may they, the audit log
    portal.py    the main pages, one file for each other kind    kept.py    pages kept for a moment
    app.py       the application and its server   sign_in.py, me.py   how one gets in
"""

from opensma.web.app import Door, create_app, serve

__all__ = ["Door", "create_app", "serve"]
