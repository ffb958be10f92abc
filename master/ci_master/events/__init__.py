"""Who is told when something happened: the bus, in memory."""
