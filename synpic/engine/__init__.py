"""Where work runs, and how it is scheduled, watched and stopped, whatever the work is.

A :class:`~synpic.engine.task.Task` is one model or reward with the batches that are missing.
``running`` does one on one device: it opens it, and takes a batch at a step (``batches``, in
order), in smaller pieces where memory is short (``attempt``). Rows become parts (``writing``), what
does not work becomes rows with a reason (``failures``), and how far it is, events (``progress``).
``run`` does several, one after another or in turns. That is all of it in one process.

With several workers, each does the same in a process of its own:

worker          has tasks open, and does about a second's work of them at each call
task_queue      batches of one task: waiting, leased or done; the next chunk, requeue, mark failed
leases          which worker slot (``slot``) has which batches; their results
scheduler       calls workers with what is leased to them, one call in flight for each
worker_pool     what the scheduler asks of a pool: ``local_pool`` of processes (``worker_process``),
                ``ray_pool`` of actors (``ray_worker``)
deadlines       calls that do not end
combined        progress of all workers as if they were one

``engines`` chooses a pool. Calls and their results are all that goes between processes: futures of
executors, or objects of Ray. What was made is read from the workspace, and so the same command goes
on after any death. A ``shard`` is a fixed cut for machines that do not know of each other.
"""
