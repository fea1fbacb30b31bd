"""Work on several devices: one scheduler over futures, and where its workers live.

engines         chooses where tasks run: here, or by one of the pools
worker          has tasks open, and does about a second's work of them at each call
task_queue      batches of one task: waiting, leased or done; the next chunk, requeue, mark failed
leases          which worker slot has which batches; their results
scheduler       calls workers with what is leased to them, one call in flight for each
local_pool      a pool of processes (``worker_process``)
ray_pool        a pool of actors on a cluster (``ray_worker``)
deadlines       calls that do not end
combined        progress of all workers as if they were one

Calls and their results are all that goes between processes: futures of executors, or objects of
Ray. What was made is read from the workspace, and so the same command goes on after any death.
"""
