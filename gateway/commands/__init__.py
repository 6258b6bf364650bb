"""What `weft` can be told to do: one module a command, each with `add_arguments(parser)` and `run(namespace) -> exit code`."""
