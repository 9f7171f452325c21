"""`python -m benchmarks`: dispatches to the command line of a subject.

Owns the order of imports: `gpu` installs wheels before a package that they hold is imported, so
that nothing outside the standard library is imported here before the subject is known.
"""

import sys

from benchmarks.gpu import wheels

if __name__ == "__main__":
    if sys.argv[1:2] == ["gpu"]:
        wheels.install_for(sys.argv[2:])
        from benchmarks.gpu import command

        command.command(sys.argv[2:])  # exits
    from benchmarks import command

    command.command(sys.argv[1:])
