"""The commands of the laboratory: `koalarize lab ...`."""
