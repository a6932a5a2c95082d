"""The recipe that makes the bundled starter checkpoint: data, training phases, export."""
