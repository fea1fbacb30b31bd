"""Where work runs, and how it is cut, watched and stopped. What the work is, it does not know.

A :class:`~synpic.engine.task.Task` is one model or reward with the batches that are missing.
``running`` does one on one device: it opens it, and takes a batch at a step (``batches``, in
order), in smaller pieces where memory is short (``attempt``). Rows become parts (``writing``), what
does not work becomes rows with a reason (``failures``), and how far it is, events (``progress``).
``run`` does several, one after another or in turns. That is all of it in one process.

With several workers, each is a process that does the same, and what it is to do is dealt out:

foreman     the scheduler: hears what workers say, and knows what to answer (``foreman``)
pile        the queue of a task: what waits, and what came of what was dealt out (``pile``)
chunk       neighbouring batches that a worker is given at a time (``messages``)
seat        a place for a worker, and what went wrong there; the next takes it over (``seat``)
estate      what a worker left behind, until the workspace tells what of it is done (``seat``)
board       progress of all workers as if they were one (``board``)
crew        the pool of workers: starts them, carries words there and back, ends them (``crew``)
mailbox     a worker's end of that (``mailbox``); what it does with it is ``worker``

A crew is of processes here (``local``) or of actors on a cluster (``ray_engine``, ``ray_worker``);
``engines`` chooses. Nobody's word is taken for what was made: it is read from the workspace, and so
the same command goes on after whatever death. A ``shard`` is a fixed cut for machines that do not
know of each other.
"""
