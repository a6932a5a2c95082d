"""A catalogue at once: a shop's export in; pictures, a manifest, a gallery page and the shop's own CSV out.

`csv_text` finds the encoding, `csv_records` and `xml_feed` the records, `catalogue` the kind of file (through
`dialects`) and which rows are one product; `plan` says which pictures will be made, from which words
(`template`, `clean`); `making` takes each through the jobs, `run` all of them, and `manifest`, `gallery` and
`shop_csv` tell what became of them.
"""
