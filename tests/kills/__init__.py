"""A kill at any step: the same command run again finishes the work, with the bytes of a run that nobody killed."""
