"""Pictures as files: read with everything worth keeping, written whole or not at all."""
