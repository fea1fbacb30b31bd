"""Published tables: where rankings and pairs come from, rows, columns and shards."""
