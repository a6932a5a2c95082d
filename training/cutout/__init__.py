"""The bundled cut-out network: its data, its recipe, its export."""
