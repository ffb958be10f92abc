"""The step library: what an author of a configuration can ask for.

Written only against the public API of :mod:`ci_master.builds`, as a user's own steps are.
"""
