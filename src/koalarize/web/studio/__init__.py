"""The studio: a page to steer the colours of photos, and the REST service behind it."""
