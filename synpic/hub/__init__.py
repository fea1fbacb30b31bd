"""The one place that speaks to the Hub: errors, retry, repository, commit, files, checkpoints."""
