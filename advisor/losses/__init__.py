"""One file per loss: its CARD and its formulas as plain float functions."""
