"""Linkage: which accounts act or were made as one.

In: dimensions and rollups. Out: ``group_members``, the groups as they stand at the end of a period, with the evidence
of every edge, and how far one network, organisation or payer holds each group in the open. A group is no finding; what
it does is judged by the rules.

The groups are made by joining on shared identifiers, each weighted by how few parties share it, with behaviour compared
inside candidate blocks. Measured against Splink 5.0.0 (DuckDB backend; ten identifiers compared exactly with term
frequencies, blocked on each, trained by expectation maximisation, clustered at the best of six thresholds) on two
worlds of :mod:`audits.proving` that nothing was tuned on, by pairs of accounts that touch a campaign. Seed 502 has
2,066 accounts and six campaigns, slow sign-ups from homes, a relay and 10 % extraction among them; seed 503 has 1,896
accounts and seven campaigns of the same weeks. Ours is the joining as it stood then; what came later is below.

=====  ======  =========  ======  =====  ========
world  method  precision  recall  F1     CPU time
=====  ======  =========  ======  =====  ========
502    ours    1.000      1.000   1.000  0.8 s
502    Splink  1.000      0.228   0.372  5.2 s
503    ours    1.000      1.000   1.000  0.7 s
503    Splink  0.588      0.354   0.442  4.9 s
=====  ======  =========  ======  =====  ========

On three worlds of another generator, written from the domain's facts alone and knowing nothing of this package, with
16,000 accounts and 18 campaigns each; the third took no part in choosing anything. Found is a campaign of which a group
holds 80 % and to 95 % nobody else; F1 is over pairs that touch a campaign. Before is what shared values and accounts
compared one by one find, after with batches compared by what they do together (:mod:`audits.linkage.likeness`) and with
those taken in that follow a crowd (:mod:`audits.linkage.following`); a pool and the one that replaced it are one.

=====  ===========  =====  ==========  =====
world  found        F1     found       F1
       before              after
=====  ===========  =====  ==========  =====
1      15           0.837  18          0.998
2      11           0.659  18          0.989
3      11           0.767  17          0.998
=====  ===========  =====  ==========  =====

On four worlds of a third generator, with 25,000 accounts and 40 campaigns each, fifteen of them hidden in ordinary
traffic, a prompt on a fifth of all accounts, and 5,000 accounts that are a campaign's. The first showed that a popular
prompt behind which campaigns hide, and a day on which several begin, joined all of them; what few share has gone first
since, and a rhythm has to last. The third showed 1,400 quiet accounts with five prompts in pieces; a load that is dealt
out loosely is known by its one habit since. The fourth took no part in anything.

=====  ===========  =====  ==========  =====
world  found        F1     found       F1
       before              after
=====  ===========  =====  ==========  =====
1      19           0.423  38          0.995
2                          40          1.000
3      37           0.496  40          1.000
4                          40          1.000
=====  ===========  =====  ==========  =====

On five smaller ones, of 2,000 to 6,000 harmless accounts beside half as many of campaigns and more, 38 to 40 campaigns
were found, with F1 of 0.999 and more; three of the five took no part. One had been a single group of 800 before: what
several campaigns have in common is none's own.

Splink weighs pairs of records that describe one person, and is the better tool for that. Here two accounts of a
campaign may have nothing in common but a third one, a value's weight changes as its holders turn out to be one party, a
value that many share must count for nothing, and much of the evidence is behaviour, which no comparison of columns has.
"""

from audits.linkage.link import link
from audits.linkage.params import Params
from audits.linkage.report import HeldBack, Hub, LinkReport

__all__ = ["HeldBack", "Hub", "LinkReport", "Params", "link"]
