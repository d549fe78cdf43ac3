"""The families of tasks, one module each; `FAMILY` in each is all that the rest sees."""
