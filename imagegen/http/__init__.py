"""The HTTP service: OpenAI's Images API, and our own additions to it, on one studio.

`app` wires it together, `routes` answer, `schemas` are the wire types, `problems` the error bodies; `auth`,
`loopback` and `body_limit` decide who may speak and how much; `serve` runs it. Nothing here knows how a
picture is made.
"""
