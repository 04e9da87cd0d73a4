"""`python -m modscope`."""

from modscope.cli import main

main()
