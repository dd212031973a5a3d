"""What the quickstart judges: six contest problems and what seven contestants printed for them.

>>> from quickstart import submissions
>>> len(submissions.load())
386

- ``problems/NAME/__init__.py`` holds the statement, how answers are compared, and the inputs. The other files of that
  folder are whole programs: ``judge.py`` and one for each contestant, whose first line says what is right or wrong
  with it.
- ``outputs.jsonl`` beside them is what the programs printed for the small inputs. The big inputs come from a seed and
  their outputs from running the programs again.
- ``expected.csv`` is the verdict every output deserves.

Nothing here knows of judicia_notebook: the plugin that judges has to find these verdicts by itself.
"""
