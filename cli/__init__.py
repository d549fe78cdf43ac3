"""The command line `pivotgym`. Owns parsing and printing; every decision is made in the rooms it calls."""
