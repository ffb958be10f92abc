"""Who hears of it: what happened becomes messages, and messages go out.

A reporter is a service. Its *generators* choose events and make reports of them, with the help
of *message formatters*; the reporter itself is the *transport* that sends reports somewhere.
Nothing here can hold a build up: events wait in a bounded queue of each reporter's own.
"""
