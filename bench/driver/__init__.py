"""The driver of the whole-server benchmarks: starts servers, lets the load generator at them, prints tables."""
