"""Stage 8: one page that shows what a run did."""
