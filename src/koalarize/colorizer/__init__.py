"""The only way from a grey picture to a coloured one."""
