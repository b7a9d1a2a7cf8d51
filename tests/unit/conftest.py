"""The unit tests' rules: no sleeping, no clock, no network; what is random says how to repeat."""

from hypothesis import settings

# No deadline, because that would be a clock; the blob printed with a failure repeats it.
settings.register_profile("unit", deadline=None, print_blob=True, max_examples=60)
settings.load_profile("unit")
