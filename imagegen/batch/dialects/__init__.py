"""How product CSVs call their columns: one module a dialect, each with `recognise`."""
