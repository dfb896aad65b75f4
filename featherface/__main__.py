"""`python -m featherface`, the same as the console command `featherface`."""

from featherface.cli.main import main

raise SystemExit(main())
