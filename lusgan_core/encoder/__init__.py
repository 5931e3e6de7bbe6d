"""The LUS encoder of a store: a classifier of severity, whose features know lung ultrasound."""
