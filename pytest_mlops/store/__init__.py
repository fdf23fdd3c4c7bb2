"""Where finished training runs are kept."""
