"""The embedded world's weights, and how good they are.

pipelines, contrast, jobs, train, pack  how the weights were made
trial, report, pictures                 figures and pictures of docs/shapes.md
"""
