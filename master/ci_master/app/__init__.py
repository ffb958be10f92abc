"""The composition root: builds the Twisted service tree of a master, and nothing else.

``BuildMaster`` is what a master's ``buildbot.tac`` makes.
"""

from ci_master.app.master import BuildMaster

__all__ = ["BuildMaster"]
