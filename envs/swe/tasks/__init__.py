"""Tasks the project makes itself from released source packages, and rows of SWE-bench, with outcomes by real tests.

Its modules:
    packages     which packages, and their trees
    mutate       small changes of a syntax tree, by place and operator
    inside       what runs the tests in a sandbox, a script of its own; beside it `explaining` and `telling`, which
                 describe tests there
    running      a suite in a fresh machine that the agent never saw
    heldout      failing tests with other inputs, so that none can be known by heart
    judge        what a final state pays
    issues       the text of an issue from a failing test
    generate     looks for bugs that break few tests
    catalogue    the tasks that are offered, their gold runs and attempts
    cheats       runs that must pay nothing
    shapes       an expert's run in the tools of a harness
    rows         rows of SWE-bench
"""
