"""From the name of a dataset to batches.

records, layouts, labels  rows of a release or of another layout, and what ranks their images
image_index, crops,
decode_rows               which images there are, how they are cropped, and their pixels
encode, cache             latents and what prompts become, kept on disk
examples, order           what a step takes, and in which order
training_data             all of it in one
"""
