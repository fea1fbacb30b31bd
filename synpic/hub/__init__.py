"""The one place that speaks to the Hub: errors, retry, repositories, commits, files."""
