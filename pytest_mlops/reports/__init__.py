"""One report model of plain values and its renderings. Renders and escapes, sends nothing."""
