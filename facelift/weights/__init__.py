"""Where weights lie, and what lies in them."""
