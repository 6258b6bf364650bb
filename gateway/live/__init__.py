"""What processes of one gateway tell each other. Today: purges; later the live updates of slots."""
