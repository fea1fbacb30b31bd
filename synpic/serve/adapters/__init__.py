"""Adapters: rewards in the shape in which a trainer calls them, named there by a dotted path.

None imports its trainer. Each scores in the trainer's own process, or asks a ``synpic serve``.

flow_factory  classes for Flow-Factory: scores, and φ of a group
verl_omni     ``compute_score`` for verl-omni
flow_grpo     ``fn(images, prompts, metadata)`` for Flow-GRPO and DiffusionNFT
trl           ``fn(prompts, images)`` as TRL calls rewards
scoring       where scores come from: this process or a server
pictures      what trainers hold images in → pictures
"""
