"""Programs that measure us, and the floor or a peer beside us in the same run."""
