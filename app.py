"""Serves the web page: `python app.py`, then open http://127.0.0.1:7860. `facelift app` is the same."""

from __future__ import annotations

import sys

from facelift.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
