"""The command ``synpic``, one module per verb: it parses, calls one library function, prints."""
