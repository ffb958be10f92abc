"""What to build: changes, time and people make buildsets here.

A scheduler hears of changes on the bus, and answers with ``data.buildsets.add`` in the same
turn of the reactor.
"""
