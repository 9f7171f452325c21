"""What is compared: this library and other ways to do the same."""
