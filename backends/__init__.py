"""What knows hardware: targets, and one package a backend."""
