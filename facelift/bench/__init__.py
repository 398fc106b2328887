"""How long each stage takes here, of how much work, against the naive way and against what this machine can do at most."""
