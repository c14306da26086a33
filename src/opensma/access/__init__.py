"""Access: who signs in, what they looked at, what they asked for.

Lives here: sessions, ways to sign in, API tokens, the audit log, requests of owners, the contact
log, webhooks. It has a store of its own beside the book, so that looking never changes the book and
its hash. May enter: users and grants of the book, the day and random values as arguments.
Must never know: HTTP, pages, the clock; nor what a right opens (`book.rights` does).

    store.py     where it is kept, its tables in schema.py
    audit.py     who saw and changed what, hash-chained
    sessions.py  who is signed in, and how freshly
    contacts.py  what clients were asked, and who is due
    happened.py  what a webhook may be told
"""
