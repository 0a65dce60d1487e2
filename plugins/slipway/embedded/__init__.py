"""The deployment that `make demo` needs: no service outlives it but MLflow, and nothing has to be set up."""
