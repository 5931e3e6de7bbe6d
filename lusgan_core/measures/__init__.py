"""What is measured on frames, whoever asks: no stage, used by training and evaluation."""
