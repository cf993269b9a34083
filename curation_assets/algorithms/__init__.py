"""Maths shared by two methods or more: numpy and pyarrow, no input or output."""
