"""Where training happens. ``inline``: in this process, one run after the other."""
