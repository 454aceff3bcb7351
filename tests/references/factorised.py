"""Naive formulas of the losses that factorise the probability, written from the theory alone."""

from tests.references.row import Row

ROWS: tuple[Row, ...] = ()
