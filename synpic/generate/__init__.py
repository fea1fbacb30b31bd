"""Models, and the loop that draws: from a table of the recipe to rows of candidates.

A table becomes a :class:`~synpic.generate.image_model.Model` (``image_model``; ``known`` has the
registered ones, and ``sources`` finds where its further weights are): a name, what decides its
pixels, one size. ``drawing_task`` makes a task of what is wanted and missing of it, and opens it
when its turn comes.

To open one is its family's business; ``family`` says what a family is. All of ours are ``auto``,
refined: ``sd``, ``sdxl``, ``sd3``, ``pixart_sigma``, ``stable_cascade``. Beneath it, ``opening``
makes a pipeline in steps: ``checks`` looks at the ``checkpoint`` without its weights, ``loading``
sees that they are whole, ``adapters`` are laid over them, ``placement`` puts the parts where there
is room, and ``schedulers`` makes the one that the recipe asks for. Around the pipeline's call stand
``embeddings``, which reads each prompt once, and ``decoding``, which does again what came out
black.

``drawing`` draws a batch with whatever family that is, in halves where memory is short, while
``pixels`` encodes the batch before. Diffusers is known to families and their helpers alone; and a
family knows no workspace: it is given places to load from.
"""
