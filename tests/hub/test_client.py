"""Questions about a repository, asked of a Hub of the test's own."""
