"""Many files: find them, colour them, one outcome a file."""
