"""Whether a scheduler can do what a recipe asks of it, tried without weights.

A scheduler is made from small JSON, and asked for timesteps and for every step on a tensor of a few
numbers: what fails there would fail with every image. ``schedule`` says what is asked, ``trial``
tries it and finds which setting is at fault, and ``asking`` has it tried by a process of its own
(``program``) once, and keeps the answer in recipe.lock.
"""
