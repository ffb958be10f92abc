"""Where and when: which waiting request runs on which worker.

The :class:`~ci_master.queue.queue.Queue` is woken by events and looks only at what they touch.
:func:`ci_master.queue.match.why_not` alone says whether a request may run on a worker now; the
queue acts on its answer, and people read it.
"""
