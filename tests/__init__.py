"""The tests; a package, so that modules of helpers can be imported from it."""
