"""The one place that knows how SQL dialects differ.

Each construct is an ordinary SQLAlchemy function; how it is spelled for an engine is registered beside it. Default
spellings are PostgreSQL's.
"""

from audits.warehouse.dialects.statements import analyze, contained, for_literals
from audits.warehouse.dialects.times import (
    day_number,
    day_start,
    epoch_us,
    midnight,
    seconds_between,
    utc_day,
    utc_hour,
)
from audits.warehouse.dialects.values import (
    byte_length,
    least_text,
    matches,
    md5_number,
    median,
    one_of,
    ratio,
    row_digest,
    text_number,
)

__all__ = [
    "analyze",
    "byte_length",
    "contained",
    "day_number",
    "day_start",
    "epoch_us",
    "for_literals",
    "least_text",
    "matches",
    "md5_number",
    "median",
    "midnight",
    "one_of",
    "ratio",
    "row_digest",
    "seconds_between",
    "text_number",
    "utc_day",
    "utc_hour",
]
