"""The command ``ci-master``: one module per subcommand."""
