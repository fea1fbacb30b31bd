"""What is right in an image: the rules by which suites decide, apart from any model."""
