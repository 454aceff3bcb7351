"""How long the steps of the losses take: one module per family, each with `measure`."""
