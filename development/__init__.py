"""Programs for those who change the code: `make run` and `make debug`. Nothing of the package imports them."""
