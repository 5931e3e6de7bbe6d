"""Operation: the local stack, deployments and work pools, preflight checks, the watch."""
