"""Results that exist, in files: a table of one row a training run from CSV, JSON or Parquet. Knows nothing of arms."""
