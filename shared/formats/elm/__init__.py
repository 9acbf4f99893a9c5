"""The European Learning Model 3. Read `read` (an unsigned document as a draft; `linked_data` walks its JSON-LD),
`export` (our model as such a document), then what judges one: `schema` (a closed JSON Schema, made from
`classes.json`) and `shapes` (the official SHACL shapes).
"""
