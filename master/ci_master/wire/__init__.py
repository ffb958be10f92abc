"""The servers for what connects by a wire protocol: workers, change clients, ``try`` clients.

This room knows bytes, logins and remote objects. Whoever logs in is handed on: a worker's
connection becomes a session for :mod:`ci_master.workers`, other users get the perspective that
was registered for them.
"""
