"""What holds for every test: property tests are not judged by time, since a shared machine decides about that."""

from hypothesis import settings

settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")
