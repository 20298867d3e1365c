"""The command line: one file for each command."""

from ._app import main as main
