"""``lusgan up``: everything an operator needs on one machine, as supervised processes.

home         the folder of the stack: settings, logs, database, lock
supervisor   starts processes, restarts those that die, stops all of them
services     the processes: Prefect's server and worker, reports, SeaweedFS
register     registers the work pool, deployments and automations with the server
stack        puts these together
"""
