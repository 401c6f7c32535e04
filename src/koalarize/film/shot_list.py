"""The list of a film's shots: a small file that a person may edit, read and written.

Not here: finding cuts (``film.shots``), what is done for a shot (``film.film``).
"""
