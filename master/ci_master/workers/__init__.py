"""Who does the work: the configured workers, their connections, their health.

A :class:`~ci_master.workers.slot.WorkerSlot` is one worker at run time, whatever protocol it
speaks; the :class:`~ci_master.workers.registry.WorkerRegistry` holds them all. The servers of
the protocols hand sessions in; the queue takes seats for its builds.
"""
