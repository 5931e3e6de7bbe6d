"""``lusgan up``: everything an operator needs on one machine, as supervised processes.

home         the folder that holds it all: settings, logs, database, marks of what runs
supervisor   starts processes, restarts those that die, stops all of them
services     which processes: Prefect's server and worker, reports, SeaweedFS
register     tells the server what there is: work pool, deployments, automations
stack        puts these together
"""
