"""Writing to the Hub: one commit on the head that it was made for.

repository  a repository and one of its branches
uploads     files sent ahead of the commit that names them
commit      one commit
branches    a branch for a commit that is checked before it becomes a head
"""
