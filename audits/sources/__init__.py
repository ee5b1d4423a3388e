"""Sources: a foreign schema in, the contract's tables out.

In: LiteLLM's spend logs, OpenTelemetry spans, providers' usage exports, CSV and Parquet files. Out: rows of
``usage_events`` or ``usage_buckets`` in the warehouse, each once however often it is loaded, and ``rejected_rows`` with
the place and the reason of every row that did not fit. Nothing else in the service writes to the contract's tables.
"""
