"""Pages for people: one module and one template per page.

A page module has a pure *view builder* (plain dataclasses made from what was read; tested
without a server) and a thin page function that reads, builds the view and names the template.
:mod:`ci_www.pages.site` routes requests to page functions, :mod:`ci_www.pages.render` turns a
:class:`~ci_www.pages.page.Page` into an answer.
"""
