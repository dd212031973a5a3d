"""The contest of the third lesson: a simulation of its teams, and the rules of the ICPC once more in plain Python."""
