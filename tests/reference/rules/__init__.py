"""The catalogue, one module a theme. Each rule is an ``account`` function, a ``group`` function, or both."""
