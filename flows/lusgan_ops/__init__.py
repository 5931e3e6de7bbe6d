"""Operation: the local stack, deployments and work pools, preflight checks, the watch."""

import lusgan_flows  # noqa: F401  # sets what Prefect asks for when it is imported
