"""What models behind HTTP have in common: one call with one deadline, retries, limits, and what every fault means."""
