"""A pool drawn by the project itself, with its planted defects written down."""
