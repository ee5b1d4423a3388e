"""The rules of the catalogue: one folder each, named for the rule."""
