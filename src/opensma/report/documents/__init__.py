"""Documents for clients as PDF: statements, invoices, composite reports, tax packs.

Lives here: what a document says, as JSON of finished words, and the Typst templates that set it.
May enter: figures that other rooms computed. Must never compute money; data is never markup.
"""
