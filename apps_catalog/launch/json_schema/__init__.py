"""Any JSON Schema as a form: read and bounded, drawn as a tree, filled in and read back, judged by jsonschema alone.

`documents` and `bounds` read an author's text; `nodes` says how a form draws it; `defaults`, `drawing` and `reading` go from
an instance to a form and back; `verdicts` is what jsonschema says, in plain words. Nothing here knows Django.
"""
