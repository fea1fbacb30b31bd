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
    measure, selection, after   how good all this is, for docs/shapes.md and the demo

Importing the first nine needs no torch. How the weights were made is in ``research/shapes``.
"""
