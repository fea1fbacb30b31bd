"""The embedded world: coloured shapes, prompts that say them, models that draw them.

    scene      scenes and the program that draws them
    meaning    what a prompt asks for: written as English, read back with certainty
    prompts    train, validation and test, which share no combination of things
    judge      what a picture shows, and whether that is what was asked for: a measure only
    alignment  the reward shapes_alignment
    biased     the reward shapes_biased
    learned    the reward shapes_clip
    quality    the reward shapes_quality
    models     the registered models; their weights lie in weights/
    pipelines, contrast, jobs, train, pack         how those weights were made
    measure, trial, selection, report, pictures    how good all this is, for docs/shapes.md

Importing the first nine needs no torch.
"""
