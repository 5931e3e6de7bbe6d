"""Stage 1: exams found in a source, inspected, and read as streams of frames."""
