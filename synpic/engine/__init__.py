"""Where work runs, and how it is scheduled, watched and stopped, whatever the work is.

A :class:`~synpic.engine.task.Task` is one model or reward with the batches that are missing.
``running_task`` does one on one device: it opens it, and takes a batch at a step, in order, in
smaller pieces where memory is short (``attempt``). Rows become parts (``writing``), what does not
work becomes rows with a reason (``failures``), and how far it is, events (``progress``). ``run``
does several, one after another or in turns. That is all of it in one process.

With several ``workers``, each does the same in a process of its own; ``workers.engines`` chooses
where: here, in processes on this machine, or in actors on a Ray cluster. A ``shard`` is a fixed cut
for machines that do not know of each other.
"""
