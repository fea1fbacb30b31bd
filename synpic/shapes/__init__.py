"""The embedded world: coloured shapes, prompts that say them, models that draw them.

    scene      scenes and the program that draws them
    meaning    what a prompt asks for: written as English, read back with certainty
    prompts    train, validation and test, which share no combination of things
    judge      what a picture shows, and whether that is what was asked for: a measure only
    alignment  the reward shapes_alignment
    quality    the reward shapes_quality
    models     the registered models; their weights lie in weights/
    pipelines, jobs, train, pack   how those weights were made
    measure, pictures              how good they are, and the pictures of docs/shapes.md

Importing the first seven needs no torch.
"""
