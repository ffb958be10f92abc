"""Report generators: which events are worth a report, and what goes into it."""
