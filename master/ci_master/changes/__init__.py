"""What happened: sources that notice changes and hand them to ``data.changes.add``."""
