"""A catalogue at once: a CSV of products in; pictures, a manifest and a gallery page out.

`csv_text` finds the encoding, `product_table` the delimiter and the columns (through `dialects`), `product`
turns a row into a request, `run` takes the rows through the jobs, `manifest` and `gallery` tell what became
of them.
"""
