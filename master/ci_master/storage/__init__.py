"""Tables, migrations, the writer, and plain query functions: the only room that knows SQL."""
