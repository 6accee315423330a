"""The policies there are. To add one: a file beside this one, and its line here."""

from __future__ import annotations

from tracker.errors import InvalidValue
from tracker.routing.cheapest import Cheapest
from tracker.routing.policy import Policy
from tracker.text import show

POLICIES: dict[str, Policy] = {policy.name: policy for policy in (Cheapest(),)}


def policy(name: object) -> Policy:
    """Return the policy of that name. Raises InvalidValue that lists those there are."""
    found = POLICIES.get(name) if isinstance(name, str) else None
    if found is None:
        known = ", ".join(sorted(POLICIES))
        raise InvalidValue(f"policy {show(name)} is not known; choose from {known}", field="policy")
    return found
