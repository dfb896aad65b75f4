"""`python -m featherface`."""

from featherface.cli.main import main

raise SystemExit(main())
