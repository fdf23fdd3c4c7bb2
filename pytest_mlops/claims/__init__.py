"""Arms, metric expressions, claims and the judge. No pytest, no torch, no input or output."""
