"""Votes and comparisons go out, and others' answers come in.

labels      votes as labels of the workspace
outside     which image is shown first elsewhere: random, and the same when answers come back
argilla     datasets that Argilla imports, and the answers that it exports
rapidata    images and orders for Rapidata, and its results
imported    answers of others as labels of the workspace
"""
