"""How many examples a test takes of those that can be drawn: fewer by default than with --full."""

import hypothesis


def examples(by_default: int, in_full: int) -> int:
    """The number of examples under the profile that ``conftest.py`` has chosen."""
    is_full = hypothesis.settings.get_current_profile_name() == "full"
    return in_full if is_full else by_default
