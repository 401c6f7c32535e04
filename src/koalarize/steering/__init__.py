"""What a person may ask of a colouring, and what is done to ab for it; no files, no networks."""
