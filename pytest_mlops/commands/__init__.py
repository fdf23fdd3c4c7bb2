"""Subcommands of ``pytest-mlops`` that are more than a few lines. They read arguments and choose an exit status."""
