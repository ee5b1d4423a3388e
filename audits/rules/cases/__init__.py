"""Cases: what proves a rule. Tables in, findings out, written so small that a reader can check them in the head.

In: a rule's ``cases.yaml``. Out: for each case what the real thing found (contract tables in a real database, real
rollups, real evaluation, the shipped policy book with the case's limits over it) and how that differs from what the
case says.

.. code-block:: yaml

    defaults:                    # over every case of the file; each key may be left out
      period: 2026-10            # as it is without a word
      tier: build
      source_system: native      # short for rows: {usage_events: {source_system: native}, usage_buckets: ...}
      limits: {}                 # as in a case
      rows: {usage_events: {operation: chat}}                # columns of every row of a table
    cases:
      - name: four requests on a day, three allowed
        kind: hit                # one of KINDS
        period: 2026-W41         # and tier, over the defaults
        limits:                  # over the book's; `all` is every tier that the rule speaks of
          build: {requests_a_day: 3}
          scale: [{from: 2026-10-01, requests_a_day: 9}, {from: 2026-10-15, requests_a_day: 4}]    # a change of law
          free:                  # nothing: the rule does not speak of the tier
        limits_of: {R01: {all: {requests_a_day: 9}}}         # of another rule, where this one asks for them
        accounts:                # left out: a1 alone. [a1, a2] and a1..a9 are short for accounts with all defaults
          a1: {tier: build, customer: c1, opened_at: 2026-09-01}                # columns of accounts
          a2: {tiers: [{tier: free, from: 2026-10-01}, {tier: build, from: 2026-10-15T13:00}]}
          a3: {tier: }           # on no tier
        customers:               # columns of customers; a list is a customer that changed (valid_from)
          c1: {country: DE}
        rows:                    # table -> rows; what is left out is filled in, see audits.rules.cases.fill
          usage_events:
            - {account_id: a1, at: 2026-10-05T10:00, times: 4, every: 1m, days: 3}   # 4 a day on 3 days in a row
            - {account_id: a1..a5, at: [2026-10-05T10:00, 2026-10-06T10:00]}         # a row an account and instant
            - {account_id: a1, at: 2026-10-05, times: 4, ip_country: [US, FR], client_net_hash: "net{n}"}
          api_keys: []           # an empty list: not even the rows that would be filled in
        groups: {g1: [a1, a2]}   # linkage's result, given
        doubts: {a1: an hour is missing}                     # accounts whose data quality found too poor for the rule
        blocked: [2026-10-05]                                # days of the source "native" that are blocked
        set_aside: [2026-10-06]                              # and that this rule must not read
        incomplete: [2026-10-07]                             # and of which rows are missing
        book:                    # each key stands for what the book has there
          entitlements: [{kind: capability, value: logprobs, tiers: {free: false}}]
          territories: [{country: XX, status: unsupported}]
          settings: {grace_days: 5}                          # over the book's
          permitted: [COMPETE]   # families that the terms permit
        find:                    # exactly these subjects, in any order; of a subject only what is written is compared
          - {subject: a1, tier: build, severity: medium, observed: {peak_requests_a_day: 4}, limits: {}, accounts: [a1],
             evidence: 4}      # rows that the finding's evidence query returns on the source
        verdicts:                # customer or customer/tier -> verdict, or [verdict, part of its reason]
          c1: violating
          c2/free: [not_evaluated, only bucketed]

In a repeated row (``times``, ``every``: 90s, 1m, 2h, 1d; ``days``), a list is gone through in turn and ``{n}`` and
``{day}`` in a text are the number of the repetition and of the day, from 1. Instants are UTC and need no zone; a day
alone is its midnight. A date in a rule's ``cases.yaml`` is always written out, so that a case reads like a log.
"""

from audits.rules.cases.compare import differences
from audits.rules.cases.format import KINDS, REQUIRED_KINDS, Case, read_cases
from audits.rules.cases.run import Outcome, run_case
from audits.rules.cases.stage import DuckStage, PostgresStage, Stage
from audits.rules.cases.together import run_cases

__all__ = [
    "KINDS",
    "REQUIRED_KINDS",
    "Case",
    "DuckStage",
    "Outcome",
    "PostgresStage",
    "Stage",
    "differences",
    "read_cases",
    "run_case",
    "run_cases",
]
