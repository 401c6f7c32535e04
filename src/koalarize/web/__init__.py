"""Local pages: served on this machine, for a person in a browser; nothing leaves it."""
