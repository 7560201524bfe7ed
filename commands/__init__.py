"""The subcommands of main.py, one per file: each parses its arguments and calls the library."""
