"""Contract tests: subclass one, give it a fixture, and every promise of the interface is checked."""
