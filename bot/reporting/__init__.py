"""The managers' figures and exports: what is computed, written and shown of them."""
