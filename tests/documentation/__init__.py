"""The examples of the documentation, as what reads them sees them.

How the examples are run is described in ``docs/design/documentation.rst``.
"""
