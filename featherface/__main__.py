"""`python -m featherface`."""

from featherface.cli import main

raise SystemExit(main())
