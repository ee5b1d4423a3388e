"""The numbers that linkage decides by, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Params:
    """What counts as evidence. A party is a declared customer, or several that were joined already."""

    look_back_days: int = 180  # a pool that was banned half a year ago may still have a successor
    values_per_account: int = 20  # an account of a thousand networks would meet everybody; the most used ones tell
    least_requests: int = 3  # a prompt or network of one or two requests may be a try or a mistake
    burst_minutes: int = 10  # scripts that open accounts do so within minutes of each other
    silent_days: int = 3  # a weekend's silence is none
    least_span_days: int = 5  # many try the service for a day or two
    span_active_share: float = 0.7  # work on most days, so that first and last day are no accident
    pivot_hours: int = 6  # half of a campaign moved within hours of a release, not days
    pivot_share: float = 0.4  # a try of the new model is no move

    strong_parties: int = 20  # a card of more parties than this is an institution's: it joins with other evidence only
    strong_share: float = 0.001  # ... in a large population a thousandth of all parties,
    strong_parties_most: int = 50  # ... but never more than this
    weak_share: float = 0.25  # what a quarter of all parties have tells nobody from anybody
    rare_parties: int = 64  # what few share joins first, and parties are counted again before wider values are used
    rare_step: float = 2.0  # ... then what so many times as many share: a campaign is one party before it meets another
    margin_bits: float = 4.0  # how much less likely than one chance pair in the whole population a coincidence must be
    purity: float = 0.9  # share of those joined by a pair of values that are not there by chance, as estimated
    own_share: float = 0.5  # half of a prompt's users act as one already: the prompt is theirs
    own_accounts: int = 4  # ... and these are at least four accounts
    own_observations: int = 3  # ... seen not only on two couples
    least_requests_compared: int = 150  # fewer requests leave nothing to compare in a month of hours
    least_synchronised: int = 3  # two may be a coincidence
    z_inside: float = 4.5  # one in 300,000 by chance, among those who share a value already
    z_least: float = 2.0  # ... and who moves less surely, where most of them do
    z_steady: float = 3.0  # over days: what two did together on one or two of them was begun or ended, and is no rhythm
    steady_share: float = 0.6  # ... of what as many days alike would show, where those in common are too few for that
    profile_days: int = 14  # hours of the day are somebody's own for two weeks; who takes up something new changes them
    z_across: float = 6.5  # one in ten thousand million: thousands of groups are compared with each other
    most_compared: int = 6_000  # groups compared with each other, the busiest first: bounds time at 36 million pairs
    least_requests_alike: int = 30  # fewer requests leave their mean open
    least_spread: float = 0.2  # where all accounts are alike, two that are say nothing (spread of ln)
    least_alike: int = 5  # a spread wants a few to be estimated from
    alike_spread: float = 0.35  # a third of the tier's spread: a factor of 1.5 where others differ by 3 to 4
    alike_spread_most: float = 0.55  # a factor of 1.6 to 1.7, which a loosely dealt load and users of one tool have
    alike_tool: float = 0.3  # requests of one length on both sides are one tool's, whoever uses it
    alike_habits: float = 0.6  # root mean square of half of a prompt's users: campaigns have .56 at most, a tool .78
    alike_away: float = 3.0  # spreads from the middle within which an account, or a batch, is one of them
    alike_volume: float = 1.0  # in spreads of the tier: a campaign's accounts differ by half of one, strangers by more
    alike_lengths: float = 0.5  # ... of input and output: one machine's are of one length, unless mixed with others'
    alike_shares: float = 0.1  # of requests: 150 of them leave a share open by 0.04, and two of it are compared
    alike_together: float = 0.5  # in all these together, root mean square: batches of one machine differ by half of it
    most_strangers: int = 20_000  # to hold groups against: shows what one in two thousand does, in bounded time
    least_resembling: int = 4  # groups: three of a hundred may be alike by chance
    ban_days_before: float = 1.0  # a second pool may be opened as the first one falls
    ban_days_after: float = 3.0  # a banned pool is replaced at once; after days it might be anybody
    crowd: int = 10  # customers from which a part of a group is a crowd that one chance tie must not carry along
    least_coverage: float = 0.1  # share of a crowd that has a value which ties it to others
    held_share: float = 0.02  # a component of more accounts than this must stand without its widest-shared value
    held_accounts: int = 100  # ... but not in a small world, where two accounts are two per cent
    stands_share: float = 0.8  # it stands if so many of its accounts stay together
    stands_part: int = 3  # ... or each shares another value with as many of them, more than a couple does
    circle_share: float = 0.25  # of a group: a pool deals cards out in small batches, an agency works on a few machines
    campus_networks: int = 3  # a campus has a network a building or two, and not one for each handful of people
    hub_share: float = 0.02  # shares from which a value is reported as a hub
    hub_parties: int = 20

    def hub_from(self, parties: int) -> float:
        """Parties beyond which a value is a hub, among so many in all."""
        return max(self.hub_parties, self.hub_share * parties)


DEFAULT = Params()
