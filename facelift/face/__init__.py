"""A human face in general: its surface with 52 face units, how people differ, and how both are read from a picture."""
