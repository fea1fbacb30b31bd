"""The steps of a workspace, from a recipe's want to a ranking: what a command calls.

inventory    a recipe's want, joined with what its workspace holds
ranking      a workspace, ranked
tasks        a task for each model or reward, of what is wanted and missing
steps        the main job as functions of a workspace
status       what has been made, and what is missing
validation   how much a recipe wants, and every mistake in it
costs        hours, dollars and bytes
catalogue    what is registered
environment  versions and devices of this machine
"""
