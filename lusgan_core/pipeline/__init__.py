"""The stages put together: the chain of calls, who makes them, and what hangs on what."""
